import pytest

from ptb.command_line.text_source import TextSource
from ptb.data.options import TextOptions


@pytest.mark.parametrize(
    "source",
    [
        TextSource(cache_dir=None),
        TextSource(dataset="ptb_char", data_dir="/tfds"),
        TextSource("text", options=TextOptions("char", True, 3)),
        TextSource("text.gz", cache_dir="ids", options=TextOptions(shares=(80.5, 10.0, 9.5))),
    ],
)
def test_the_flags_of_a_source_name_it(parse, source):
    parse(*source.to_flags())
    assert TextSource.from_flags() == source


def test_a_run_of_another_dataset_needs_no_folder_of_it_where_the_text_is_named(parse, tmp_path):
    saved = {"dataset": "ptb", "data_dir": str(tmp_path / "gone"), "tokens": "word"}
    parse(f"--data_path={tmp_path}")
    assert TextSource.of_run(saved).data_path == str(tmp_path)
    parse()
    with pytest.raises(ValueError, match=r"gone' .*--data_dir"):
        TextSource.of_run(saved)


def test_a_run_in_lower_case_refuses_a_dataset_that_is_read_as_it_is(parse, tmp_path):
    saved = {"data_path": "a", "tokens": "word", "lowercase": True}
    parse("--dataset=ptb")
    with pytest.raises(ValueError, match="--dataset=ptb is not read in lower case"):
        TextSource.of_run(saved)


def test_a_run_is_read_again_as_it_was(parse, tmp_path):
    saved = {"data_path": "a", "tokens": "char", "lowercase": True, "min_count": 2, "shares": None}
    parse()
    options = TextOptions("char", True, 2)
    assert TextSource.of_run(saved) == TextSource("a", cache_dir=None, options=options)


def test_a_folder_that_the_text_of_the_flags_does_not_use_is_refused(parse):
    parse("--data_dir=there")
    with pytest.raises(ValueError, match="--data_dir=there has no effect without --dataset=ptb"):
        TextSource.from_flags()
    with pytest.raises(ValueError, match="--data_dir=there has no effect"):
        TextSource.of_run({"data_path": "a"})
    # It is for the file to score, or for a moved dataset of the run.
    TextSource.of_run({"data_path": "a"}, read_flags=False)
    assert TextSource.of_run({"dataset": "ptb", "tokens": "word"}).data_dir == "there"
    parse("--data_path=a", "--data_dir=there", "--cache_dir=")
    with pytest.raises(ValueError, match="--data_dir=there has no effect"):
        TextSource.from_flags()


@pytest.mark.parametrize("name", ["text", __file__])
def test_a_path_and_a_dataset_are_refused_together(parse, name):
    parse(f"--data_path={name}", "--dataset=grammar")
    for source in (TextSource.from_flags, lambda: TextSource.of_run({})):
        with pytest.raises(ValueError, match=f"only one of --data_path={name} and --dataset=gram"):
            source()
