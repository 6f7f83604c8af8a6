import re

import pytest

from ptb import corpus
from ptb.options import TextOptions


def write(folder, **splits):
    for split, text in splits.items():
        (folder / f"{split}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def decoded(loaded, split):
    return " ".join(loaded.vocabulary.decode(loaded.splits[split]))


@pytest.mark.parametrize("line_end", ["\n", " \n", "\r\n", " \r\n"])
def test_every_line_ends_in_eos_whatever_ends_it(tmp_path, line_end):
    text = line_end.join(["the cat sat", "the dog", ""])
    loaded = corpus.load_text(write(tmp_path, train=text), splits=("train",))
    assert decoded(loaded, "train") == "the cat sat <eos> the dog <eos>"


def test_a_last_line_without_a_line_break_is_a_line(tmp_path):
    loaded = corpus.load_text(write(tmp_path, train="a b\nc"), splits=("train",))
    assert decoded(loaded, "train") == "a b <eos> c <eos>"


def test_the_vocabulary_comes_from_train_alone(tmp_path):
    write(tmp_path, train="a b <unk>\na c\n", valid="d a\nd d\n", test="a\nb\n")
    loaded = corpus.load_text(tmp_path)
    assert loaded.vocabulary.words == ("<eos>", "a", "<unk>", "b", "c")
    assert decoded(loaded, "valid") == "<unk> a <eos> <unk> <unk> <eos>"


def test_vocab_size_caps_the_vocabulary(tmp_path):
    loaded = corpus.load_text(write(tmp_path, train="a b\na c\n"), 3, splits=("train",))
    assert decoded(loaded, "train") == "a <unk> <eos> a <unk> <eos>"


def test_the_tutorials_file_names_come_first(tmp_path):
    write(tmp_path, **{"ptb.train": "tutorial\ntext\n", "train": "other\ntext\n"})
    loaded = corpus.load_text(tmp_path, splits=("train",))
    assert decoded(loaded, "train") == "tutorial <eos> text <eos>"


def test_a_missing_split_matters_only_where_it_is_asked_for(tmp_path):
    write(tmp_path, train="a\nb\n", valid="b\na\n")
    loaded = corpus.load_text(tmp_path, splits=("train", "valid"), optional_splits=("test",))
    assert sorted(loaded.splits) == ["train", "valid"]
    with pytest.raises(ValueError, match=r"test split is missing: .* ptb.test.txt nor test.txt"):
        corpus.load_text(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "train.txt is empty"),
        (b" \n\n", "train.txt is empty"),
        (b"only one line\n", "one line only"),
        (b"caf\xe9\nau lait\n", "not UTF-8 (byte 3)"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        corpus.load_text(write(tmp_path, train=content), splits=("train",))


def test_a_word_that_cannot_be_encoded_is_named_with_its_file(tmp_path):
    write(tmp_path, train="a\nb\n", valid="a\nzebra\n")
    with pytest.raises(ValueError, match=r"valid.txt: the word 'zebra'.*--min_count=2"):
        corpus.load_text(tmp_path, splits=("train", "valid"), options=TextOptions(min_count=1))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere' is not a folder"):
        corpus.load_text(tmp_path / "nowhere")


def test_the_fingerprint_follows_the_text(tmp_path):
    fingerprints = [
        corpus.load_text(write(tmp_path, train=text), splits=("train",)).fingerprint
        for text in ("a b\nc\n", "a b \nc\n", "a c\nb\n")
    ]
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_the_real_penn_treebank_has_its_known_sizes(penn_treebank):
    loaded = corpus.load_text(penn_treebank)
    sizes = {split: len(ids) for split, ids in loaded.splits.items()}
    assert sizes == {"train": 929_589, "valid": 73_760, "test": 82_430}
    assert len(loaded.vocabulary) == 10_000
    assert loaded.vocabulary.words[:4] == ("the", "<unk>", "<eos>", "N")
