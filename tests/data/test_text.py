import bz2
import gzip
import hashlib
import lzma
import re
import sys
import tarfile
import unicodedata
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptb.data import parts, text, text_file, wordpunct
from ptb.data.vocabulary import EOS

# Characters of every kind, and more of those that a reader may trip over.
ANY_TEXT = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.text(
        "\0\r\n \t\x0b\x0c\x1c\x1f\x85\xa0\u2028\u2029\u3000\ufeff\ufffd\u202e"
        "\u0130\u03a3\u03c3\u03c2\u0307aA"
    )
    | st.sampled_from([EOS, "<EOS>", f" {EOS}", f"{EOS} \n", f"{EOS}\n", "<unk>", "\r\n"])
).map("".join)


def defined(content, tokens, lowercase):
    """The definition at the head of ptb/text.py, step by step."""
    content = re.sub("\r\n?", "\n", content.replace("\ufeff", ""))
    if lowercase:
        content = "".join(character.lower() for character in content)
    *lines, rest = content.split("\n")
    if tokens == "char":
        return [*(c for line in lines for c in (*line, EOS)), *rest]
    if tokens == "wordpunct":
        parts = [words_and_punctuation(line) for line in (*lines, rest)]
        return [token for part in parts[:-1] for token in (*part, EOS)] + parts[-1]
    words = []
    for line in lines:
        line_words = line.split()
        words += [*(line_words[:-1] if line_words[-1:] == [EOS] else line_words), EOS]
    return words + rest.split()


def kind_of(character):
    if character.isspace():
        return "space"
    is_ideograph = any(first <= ord(character) <= last for first, last in wordpunct.IDEOGRAPHS)
    is_mark = (unicodedata.category(character)[0] in "PS" and character != "_") or is_ideograph
    return "mark" if is_mark else "word"


def words_and_punctuation(line):
    """The definition at the head of ptb/data/wordpunct.py, character by character."""
    tokens, at = [], 0
    kinds = [*map(kind_of, line), "end"]
    while at < len(line):
        end = at + 1
        if line[at] == " " and kinds[end] == "mark":
            end += 1
        if kinds[end - 1] == "mark":
            end += line[end : end + 1] == " "
        else:
            while kinds[end] == kinds[at]:
                end += 1
        between_words = line[at:end] == " " and at and kinds[at - 1] == kinds[end] == "word"
        tokens += [] if between_words else [line[at:end]]
        at = end
    return tokens


def read(path, tokens="word", lowercase=False):
    numbers = text.lexicon(tokens)
    content = text.read(path, numbers, lowercase)
    assert content.ids.dtype == np.int32
    assert content.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return [numbers.tokens[i] for i in content.ids]


def notes(path):
    return text.read(path, text.lexicon("word")).notes


@given(
    lines=st.lists(st.text("abÀé“—\u2028𝄞 \t"), min_size=1),
    line_break=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    block_bytes=st.integers(1, 9),
)
def test_tokens_are_the_same_in_blocks_of_any_size(
    tmp_path_factory, lines, line_break, last, block_bytes
):
    lines = ["first line", *lines, "end"]
    path = tmp_path_factory.mktemp("text") / "train.txt"
    path.write_bytes((line_break.join(lines) + line_break * last).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_file, "BLOCK_BYTES", block_bytes)
        assert read(path) == [word for line in lines for word in (*line.split(), EOS)]
        assert read(path, "char") == [char for line in lines for char in (*line, EOS)]


@settings(max_examples=50)
@given(ANY_TEXT, st.booleans(), st.integers(1, 9))
def test_a_file_and_a_text_in_memory_are_the_same_tokens(
    tmp_path_factory, content, lowercase, block_bytes
):
    content = f"a{content}\n".replace("\0", "")
    path = tmp_path_factory.mktemp("text") / "train.txt"
    path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_file, "BLOCK_BYTES", block_bytes)
        for tokens in text.TOKENS:
            assert read(path, tokens, lowercase) == text.split(content, tokens, lowercase)
            if tokens != "subword":
                assert text.split(content, tokens, lowercase) == defined(content, tokens, lowercase)


def test_characters_keep_every_space(tmp_path):
    code = "def f(x):\n\tif x:\n        return  x \n\n\n    # \u00a0\u3000.\x0c\x85\u2028\n"
    (tmp_path / "code.txt").write_bytes(code.replace("\n", "\r\n").encode())
    characters = read(tmp_path / "code.txt", "char")
    assert "".join(characters).replace(EOS, "\n") == code


def test_capitals_are_read_as_small_letters_one_by_one():
    every = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x110000)]))
    assert text._lower(every) == "".join(character.lower() for character in every)
    assert text.split("Δ\u03a3 İ I", lowercase=True) == ["δ\u03c3", "i\u0307", "i"]


def test_capitals_are_read_as_small_letters_on_request(tmp_path):
    (tmp_path / "a.txt").write_text("The CAT\nÉlan\n")
    assert read(tmp_path / "a.txt") == ["The", "CAT", EOS, "Élan", EOS]
    assert read(tmp_path / "a.txt", lowercase=True) == ["the", "cat", EOS, "élan", EOS]


def test_a_compressed_text_is_read_like_a_plain_one_and_a_byte_order_mark_goes(tmp_path):
    contents = b"\xef\xbb\xbfnaive text\nof two lines\n"
    (tmp_path / "plain.txt").write_bytes(contents)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(contents))
    expected = ["naive", "text", EOS, "of", "two", "lines", EOS]
    assert read(tmp_path / "plain.txt") == read(tmp_path / "packed.txt.gz") == expected


@pytest.mark.parametrize("block_bytes", [1, 4, 1 << 16])
def test_the_byte_that_is_not_utf_8_is_named_in_whichever_block(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(text_file, "BLOCK_BYTES", block_bytes)
    (tmp_path / "a.txt").write_bytes("one é\ntwo ".encode() + b"\xe9\nthree\n")
    with pytest.raises(ValueError, match=re.escape("a.txt is not UTF-8 (byte 11)")):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-9], lambda packed: b"no" + packed])
def test_a_damaged_compressed_text_is_refused(tmp_path, spoil):
    (tmp_path / "a.txt.gz").write_bytes(spoil(gzip.compress(b"one\ntwo\n" * 50)))
    with pytest.raises(ValueError, match=r"a\.txt\.gz .*damaged"):
        read(tmp_path / "a.txt.gz")


def test_byte_order_marks_are_left_out_and_counted_amid_the_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone two\n" * 3)
    assert read(tmp_path / "a.txt") == ["one", "two", EOS] * 3
    (note,) = notes(tmp_path / "a.txt")
    assert "2 byte order" in note


def test_lines_that_end_in_eos_already_end_once(tmp_path):
    (tmp_path / "a.txt").write_bytes(f"a b {EOS}\n{EOS} \n\nc {EOS} d\n{EOS}x\ne {EOS}".encode())
    expected = ["a", "b", EOS, EOS, EOS, "c", EOS, "d", EOS, f"{EOS}x", EOS, "e", EOS]
    assert read(tmp_path / "a.txt") == expected
    (note,) = notes(tmp_path / "a.txt")
    assert "3 lines" in note
    (tmp_path / "a.txt").write_bytes(b"a b\n")
    assert notes(tmp_path / "a.txt") == ()


def packed(compress, suffix):
    def make(folder):
        (folder / f"text{suffix}").write_bytes(compress(b"a text\nof two lines\n"))
        return folder / f"text{suffix}"

    return make


def zip_archive(folder):
    with zipfile.ZipFile(folder / "text.zip", "w") as file:
        file.writestr("text.txt", "a text\n")
    return folder / "text.zip"


def tar_archive(suffix):
    def make(folder):
        (folder / "inner.txt").write_text("a text\n")
        with tarfile.open(folder / f"text{suffix}", f"w:{'gz' if 'gz' in suffix else ''}") as file:
            file.add(folder / "inner.txt", "inner.txt")
        return folder / f"text{suffix}"

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (zip_archive, "zip archive"),
        (tar_archive(".tar"), "tar archive"),
        (tar_archive(".tar.gz"), "tar archive"),
        (tar_archive(".tgz"), "is compressed by gzip"),
        (packed(gzip.compress, ".txt"), "ends in .gz"),
        (packed(bz2.compress, ".bz2"), "bzip2"),
        (packed(lzma.compress, ".txt"), "by xz"),
    ],
)
def test_an_archive_is_named_as_what_it_is(tmp_path, make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read(make(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a text\n".encode("utf-16"), "is UTF-16LE"),
        ("a text\n".encode("utf-32"), "is UTF-32LE"),
        (b"\0\0\xfe\xff" + "a text\n".encode("utf-32-be"), "is UTF-32BE"),
        ("a text\n".encode("utf-16-le"), "(byte 1); it looks like UTF-16LE"),
        ("a text\n".encode("utf-16-be"), "(byte 0); it looks like UTF-16BE"),
        (b"a text\nof \0 lines\n", "NUL (byte 10)"),
        (gzip.compress(bytes(10_000_000)), "NUL (byte 0)"),
        (b"x" * 200_001, "100,000 characters"),
        (b" \t\n\xc2\xa0\n", "is empty"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, content, message):
    path = tmp_path / ("a.gz" if content[:2] == b"\x1f\x8b" else "a.txt")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        read(path)


def test_a_text_without_spaces_is_read_as_characters(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 200_001)
    assert read(tmp_path / "a.txt", "char") == ["x"] * 200_001 + [EOS]


def test_a_text_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "memory_bytes", lambda: 79)
    (tmp_path / "a.txt").write_text("a b c d\n" * 2)
    with pytest.raises(ValueError, match="10 tokens"):
        read(tmp_path / "a.txt")


def test_a_bar_shows_on_a_terminal_how_far_reading_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(text_file, "SECONDS_WITHOUT_BAR", 0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    (tmp_path / "a\x1b.txt").write_text("one two\n" * 9)
    assert len(read(tmp_path / "a\x1b.txt")) == 27
    assert r"reading a\x1b.txt: " in capsys.readouterr().err


def test_a_nul_in_a_text_in_memory_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        text.split("it is\0 in the house")


def test_unknown_tokens_are_refused():
    with pytest.raises(ValueError, match=r"tokens=syllable .*word, char"):
        text.lexicon("syllable")


@given(st.lists(st.integers(0, 9)), st.integers(1, 7))
def test_counting_and_renumbering_go_part_by_part(numbers, part_tokens):
    ids, table = np.array(numbers, np.int32), np.arange(10, 0, -1, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_TOKENS", part_tokens)
        assert text.count(ids, 10).tolist() == [numbers.count(i) for i in range(10)]
        text.renumber(ids, table)
    assert ids.tolist() == [10 - i for i in numbers]


@pytest.mark.parametrize(
    ("kind", "left_out", "kept"),
    [
        (
            "wordpunct",
            ["the "],
            ["", "the", " ", "the  ", "the, ", "猫 ", "\t ", "the\n ", "the \n"],
        ),
        ("subword", ["the ", "the, ", "猫 ", "\n ", " "], ["", "the", "the  ", "\t ", "the \n"]),
        ("char", [], ["the ", " "]),
    ],
)
def test_a_last_space_that_the_next_token_brings_along_is_left_out(kind, left_out, kept):
    """It is left out where no longer text has it as a token of its own."""
    for content in left_out:
        assert text.without_last_space(content, kind) == content[:-1]
        tokens = text.split(f"{content}the", kind)
        assert tokens[:-1] == text.split(content[:-1], kind)
    for content in kept:
        assert text.without_last_space(content, kind) == content
