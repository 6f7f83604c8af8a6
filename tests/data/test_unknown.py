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
    assert "--min_count=2 keeps more" in rare


def test_a_vocab_size_is_told_that_still_cuts_where_new_words_need_it(tmp_path):
    """Beyond it, each word that train has once becomes `<unk>`, and more is lost."""
    write(tmp_path, train="a a b b c c d e f\n", valid="a z\n", test="b\n")
    lost = {}
    for vocab_size in (4, 6, 7):
        loaded = corpus.load_text(tmp_path, vocab_size)
        lost[vocab_size] = loaded.summary["train"].unknown
        change = loaded.reasons[0]
        if vocab_size == 4:
            assert "a larger --vocab_size, at most 6, keeps more" in change
        else:
            assert "fewer with --tokens=wordpunct" in change
    assert lost == {4: 4, 6: 2, 7: 3}
    # With an <unk> of its own, or without a word once, train keeps all.
    write(tmp_path, train="a a b b c c d e <unk>\n")
    assert "--vocab_size=7 keeps all" in reasons(tmp_path, vocab_size=4)[0]
    assert corpus.load_text(tmp_path, 7).summary["train"].unknown == 1
    write(tmp_path, train="a a b b c c d d\n")
    assert "--vocab_size=6 keeps all" in reasons(tmp_path, vocab_size=4)[0]
    assert corpus.load_text(tmp_path, 6).summary["train"].unknown == 0


def test_with_a_min_count_only_what_is_not_refused_is_told(tmp_path):
    write(tmp_path, train="a a a b b c c d\n", valid="a z\n", test="b\n")
    assert "fewer with --tokens=wordpunct" in reasons(tmp_path, min_count=2)[0]
    with pytest.raises(ValueError, match="'z' is not among"):
        reasons(tmp_path, min_count=1)
    (cut, _) = reasons(tmp_path, vocab_size=3, min_count=1)
    assert "a larger --vocab_size, at most 4, keeps more" in cut
    assert reasons(tmp_path, vocab_size=4, min_count=1)
    with pytest.raises(ValueError, match="'z' is not among"):
        reasons(tmp_path, vocab_size=5, min_count=1)
    # Other texts have no new word, and a full vocabulary has no room for rarer ones.
    write(tmp_path, valid="a\n")
    assert "--min_count=1 keeps more" in reasons(tmp_path, min_count=2)[0]
    rare, cut = reasons(tmp_path, vocab_size=3, min_count=2)
    assert "fewer with --tokens=wordpunct" in rare
    assert "--vocab_size=5 keeps all" in cut
    assert all("vocab_size" not in line for line in reasons(tmp_path, vocab_size=5, min_count=2))


@pytest.mark.parametrize("new", ["z", "<unk>"])
def test_a_smaller_min_count_that_keeps_all_is_not_told_where_another_split_has_new_words(
    tmp_path, new
):
    write(tmp_path, train="a a a b b c c\n", valid=f"a {new}\n", test="b\n")
    assert "fewer with --tokens=wordpunct" in reasons(tmp_path, min_count=3)[0]
    with pytest.raises(ValueError, match=f"'{new}' is not among"):
        reasons(tmp_path, min_count=2)
    write(tmp_path, train="a a a b b c\n")
    assert "--min_count=2 keeps more" in reasons(tmp_path, min_count=3)[0]
    assert reasons(tmp_path, min_count=2)


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
