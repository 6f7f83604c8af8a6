from ptb.data import corpus
from ptb.experiments.benchmarks import reader


def test_the_text_has_the_tokens_that_were_asked_for(tmp_path):
    reader.write_text(tmp_path / "train.txt", 30_000)
    loaded = corpus.load_text(tmp_path, splits=("train",))
    assert len(loaded.train) == 30_000
    assert loaded.summary["train"].longest_line <= 36
    assert loaded.summary["train"].types > 1000


def test_both_starts_are_measured_on_the_same_text():
    result = reader.run(30_000)
    assert list(result) == ["first start", "second start"]
    for row in result.values():
        assert row["tokens"] == 30_000
        assert row["array_bytes"] == 120_000
        assert row["seconds"] > 0
    assert len(reader.table(result).splitlines()) == 3
