"""Text that nobody prepared, and Penn Treebank through TFDS, through train.py and evaluate.py."""

import gzip
import json
import math
import re

import pytest

from ptb.data import corpus
from ptb.data.penn_treebank.penn_treebank_dataset_builder import Builder
from ptb.data.text import READING
from tests.data.test_penn_treebank import server  # noqa: F401  (a fixture)
from tests.forked import one_line_error, run
from tests.scripts.test_train_and_evaluate import succeed

SMALL = ("--model=test", "--batch_size=2")
PROSE = (
    "“Who\u2019s there?” asked the Clerk, and nobody answered.\n"
    "\n"
    "The harbor—grey, cold, half-asleep—kept its counsel; the gulls did not.\r\n"
    "   A café stood open, though,   and the Clerk went in for tea…\n"
    "“Who\u2019s there?” asked the baker.  “Only the Clerk,” said the Clerk.\n"
) * 4


@pytest.fixture
def prose(tmp_path):
    """Capitals, glued punctuation, curly quotes, and words in valid and test that train lacks."""
    folder = tmp_path / "prose"
    folder.mkdir()
    once = "Twice-told tales tire travellers.\n"
    for split, more in (("train", once), ("valid", "Zebras!\n"), ("test", "“Élan,” said Zoë.")):
        (folder / f"{split}.txt").write_bytes((PROSE + more).encode())
    return folder


def evaluated(folder, *flags):
    return json.loads(succeed("evaluate.py", "--save_path=run", "--json", *flags, folder=folder))


def row(stdout, split):
    """The figures of a split in the summary: tokens, types, share of <unk>, longest line."""
    (line,) = [line for line in stdout.splitlines() if line.startswith(f"{split} ")][:1]
    return line.split()[1:]


@pytest.mark.slow
def test_prose_that_nobody_prepared_trains_and_says_how_much_is_unk(tmp_path, prose):
    trained = succeed(
        "train.py", *SMALL, f"--data_path={prose}", "--save_path=run", folder=tmp_path
    )
    words = {split: (prose / f"{split}.txt").read_text().split() for split in ("train", "test")}
    tokens = {split: len(split_words) + 21 for split, split_words in words.items()}
    # Only the four words of the last line of train occur once.
    unknown_share = f"{4 / tokens['train']:.2%}"
    types = len(set(words["train"])) + 1
    assert row(trained, "train") == [str(tokens["train"]), str(types), unknown_share, "13"]
    assert row(trained, "test")[0] == str(tokens["test"])
    assert f"test <unk> {2 / tokens['test']:.2%} of the tokens" in trained
    result = evaluated(tmp_path)
    assert result["unknown_tokens"] == 2
    assert result["unknown_share"] == 2 / tokens["test"]
    assert result["tokens"] == tokens["test"] - 1
    lines = [" ".join(line.split()) for line in (prose / "test.txt").read_text().splitlines()]
    characters = sum(len(line) + 1 for line in lines) - len(lines[0].split()[0])
    bits = result["nats"] / math.log(2) / characters
    assert result["bits_per_character"] == pytest.approx(bits)
    assert result["word_perplexity"] == pytest.approx(result["perplexity"])
    refused = run("evaluate.py", "--save_path=run", "--dataset=ptb_char", folder=tmp_path)
    one_line_error(refused, "evaluate.py", "ptb_char has tokens=char", "tokens=word")


@pytest.mark.slow
def test_a_character_run_gives_bits_and_is_evaluated_as_it_was_read(tmp_path, prose):
    flags = (f"--data_path={prose}", "--tokens=char", "--lowercase", "--save_path=run")
    trained = succeed("train.py", *SMALL, *flags, folder=tmp_path)
    result = evaluated(tmp_path)
    contents = (prose / "test.txt").read_text().lower()
    lines = contents.removesuffix("\n").split("\n")
    assert result["tokens"] == sum(len(line) + 1 for line in lines) - 1
    assert result["bits_per_character"] == pytest.approx(math.log2(result["perplexity"]))
    assert f"test bits per character {result['bits_per_character']:.4f}" in trained
    vocabulary = (tmp_path / "run" / "vocabulary.txt").read_text().splitlines()
    assert {" ", "\u2019", "é", "<eos>"} < set(vocabulary)
    assert not {"T", "C"} & set(vocabulary)
    shown = succeed("evaluate.py", "--save_path=run", f"--data_path={prose}", folder=tmp_path)
    assert f"test bits per character {result['bits_per_character']:.4f}" in shown


@pytest.mark.slow
def test_one_compressed_file_is_cut_and_found_again(tmp_path):
    (tmp_path / "book.txt.gz").write_bytes(gzip.compress((PROSE * 10).encode()))
    flags = ("--data_path=book.txt.gz", "--split=60,20,20", "--min_count=5", "--save_path=run")
    trained = succeed("train.py", *SMALL, *flags, folder=tmp_path)
    result = evaluated(tmp_path)
    assert result["tokens"] == int(row(trained, "test")[0].replace(",", "")) - 1
    saved = json.loads((tmp_path / "run" / "config.json").read_text())["corpus"]["source"]
    assert saved == {
        "data_path": str(tmp_path / "book.txt.gz"),
        "tokens": "word",
        "lowercase": False,
        "min_count": 5,
        "shares": [60, 20, 20],
        "reading": READING,
    }


@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["ptb", "ptb_char"])
def test_penn_treebank_through_tfds(tmp_path, server, dataset):  # noqa: F811
    tokens = {"ptb": "word", "ptb_char": "char"}[dataset]
    prepared = corpus.load_penn_treebank(tokens, tmp_path / "tfds")
    flags = (f"--dataset={dataset}", "--data_dir=tfds", "--save_path=run")
    trained = succeed("train.py", *SMALL, *flags, folder=tmp_path)
    assert f"corpus {dataset}: " in trained
    assert f"fingerprint {prepared.fingerprint[:12]}" in trained
    assert evaluated(tmp_path)["tokens"] == len(prepared.test) - 1


def test_a_dead_network_ends_in_one_line_with_what_to_do_by_hand(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    result = run("train.py", "--dataset=ptb", f"--data_dir={tmp_path}", folder=tmp_path)
    archive = f"{Builder.ARCHIVE_URL}: no connection"
    message = one_line_error(result, "train.py", "(https://", archive)
    assert f"into {tmp_path}/downloads/manual" in message


@pytest.mark.slow
def test_inside_a_model_of_subwords_a_new_word_is_read_as_its_score_reads_it(tmp_path):
    (tmp_path / "text").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / "text" / f"{split}.txt").write_text("the cat sat on the mat\n" * 300)
    flags = ("--data_path=text", "--tokens=subword", "--vocab_size=300", "--save_path=run")
    succeed("train.py", *SMALL, *flags, folder=tmp_path)
    text = "the cats sat"
    shown = succeed(
        *("ptb explain", "--inside", "--json", "--save_path=run", f"--text={text}"), folder=tmp_path
    )
    found = json.loads(shown)
    assert found["words"] == ["the", " cat", "s", " sat"]
    score = succeed("ptb generate", "--save_path=run", f"--score={text}", folder=tmp_path)
    assert [line.split()[1] for line in score.splitlines()[:5]] == [
        *("subword", "the", "␣cat", "s", "␣sat")
    ]
    generate = ("ptb generate", "--save_path=run", "--num_words=3")
    written = [succeed(*generate, f"--prefix={p}", folder=tmp_path) for p in ("the", "the ")]
    assert written[0] == written[1]
    nats = float(re.search(r"\(([\d.]+) nats over 3 tokens\)", score)[1])
    assert sum(found["nats"][1:]) == pytest.approx(nats, abs=2e-3)
