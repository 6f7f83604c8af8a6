import pytest

from ptb.data import corpus
from ptb.data.options import TextOptions
from tests.data.test_corpus import write


def reasons(path, vocab_size=None, **options):
    loaded = corpus.load_text(path, vocab_size, options=TextOptions(**options))
    return loaded.reasons


def test_nothing_is_said_where_nothing_is_lost(tmp_path):
    write(tmp_path, train="a b a b\n", valid="a\n", test="b <unk>\n".replace("<unk>", "a"))
    assert reasons(tmp_path) == ()


def test_a_vocab_size_that_cuts_is_told_with_the_one_that_does_not(tmp_path):
    write(tmp_path, train="a a a b b c d\n", valid="a\n", test="b c\n")
    (reason,) = reasons(tmp_path, vocab_size=4)
    assert "2 different (25.00% of train, 33.33% of test)" in reason
    assert "vocab_size of 4" in reason
    assert "--vocab_size=6 keeps all" in reason
    assert reasons(tmp_path, vocab_size=6) == ()


def test_rare_words_and_new_ones_are_told_apart(tmp_path):
    write(tmp_path, train="a a a b b c\n", valid="a z\n", test="b c\n")
    rare, new = reasons(tmp_path)
    assert "1 different (14.29% of train, 33.33% of test)" in rare
    assert "--tokens=wordpunct" in rare
    assert "1 different (33.33% of valid)" in new
    assert "that train lacks" in new
    (rare, *_) = reasons(tmp_path, min_count=3)
    assert "a --min_count below 3" in rare


@pytest.mark.parametrize("tokens", ["word", "wordpunct"])
def test_a_text_without_spaces_leads_to_characters_at_once(tmp_path, tokens):
    first = {"word": 0x4E00, "wordpunct": 0x30A1}[tokens]  # ideographs; kana, which form words
    line = "".join(map(chr, range(first, first + 0x1E)))
    write(tmp_path, train=f"{line}\n" * 3, valid=f"{line}\n", test=f"{line}\n")
    assert "--tokens=char" in reasons(tmp_path, tokens=tokens)[-1]
    write(tmp_path, train=line, valid=line[1:], test=line)
    with pytest.raises(ValueError, match=r"every word became <unk>: .* --tokens=char"):
        reasons(tmp_path, tokens=tokens)
    assert reasons(tmp_path, tokens="char") == ()


def test_chinese_with_a_space_here_and_there_leads_to_characters_too(tmp_path):
    text = "使用这个 X 协议的 文件系统, 可以设置选项 (options).\n"
    write(tmp_path, train=text * 9, valid=text.replace("这个", "那个"), test=text)
    new, last = reasons(tmp_path)[-2:]
    assert "fewer with --tokens=char or --tokens=subword" in new
    assert "--tokens=char" in last


def test_chinese_that_was_cut_into_words_is_read_as_words(tmp_path):
    text = "使用 这个 协议 的 文件 系统 、 可以 设置 选项\n"
    write(tmp_path, train=text * 9, valid=text.replace("这个", "那个"), test=text)
    (new,) = reasons(tmp_path)[-1:]
    assert "--tokens=wordpunct" in new
