# ruff: noqa: RUF001
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptb.data import parts, text, text_file
from ptb.data.corpus import load_text
from ptb.data.options import TextOptions
from ptb.data.summary import Extents
from tests.data.test_text import ANY_TEXT

# One sentence or so of ten scripts and kinds of text.
SCRIPTS = {
    "English": '"Well, (it\'s) so  it is," she said -- and left...',
    "German": "»Schön«, sagte er; „3,14 €“ für Öl!",
    "Greek": "Τι είναι αυτό; «τίποτα», ΟΔΟΣ·",
    "Russian": "Что это? — Ничего, №5.",
    "Arabic": "ما هذا؟ «لا شيء»، ١٢٣.",
    "Hebrew": "מה זה? שום דבר, צה״ל.",
    "Hindi": "यह क्या है? कुछ नहीं। क्षि",
    "Chinese": "这是什么？没什么，“三”。",
    "Korean": "이것은 무엇입니까? 아무것도.",
    "code": "    def f_1(x):  # y\n\treturn x+=1\u3000\u00a0;\u2028  ",
    "chat": "<ann> lol 😀😀 :-) :D http://a.b/c?d=e&f <unk> <eos>",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_text_of_any_script_comes_back(script):
    content = SCRIPTS[script]
    assert "".join(text.join(text.split(content, "wordpunct"), "wordpunct")) == content


@settings(max_examples=50)
@given(ANY_TEXT)
def test_any_text_comes_back(content):
    content = content.replace("\0", "").replace("\ufeff", "").replace("\r", "\n")
    assert "".join(text.join(text.split(content, "wordpunct"), "wordpunct")) == content


def test_words_are_the_same_beside_punctuation():
    assert text.split("License, the (License)\n", "wordpunct") == [
        *("License", ", ", "the", " (", "License", ")", "<eos>"),
    ]
    assert text.split("x_y = don't  3.5", "wordpunct") == [
        *("x_y", " = ", "don", "'", "t", "  ", "3", ".", "5"),
    ]


def test_ideographs_are_read_one_by_one():
    assert text.split("我说 ok，二〇二五年 iPad了 的 x\n", "wordpunct") == [
        *(
            "我",
            "说 ",
            "ok",
            "，",
            "二",
            "〇",
            "二",
            "五",
            "年 ",
            "iPad",
            "了 ",
            "的 ",
            "x",
            "<eos>",
        ),
    ]
    # Japanese and Korean words of other letters stay whole.
    assert text.split("これは何ですか 이것은", "wordpunct") == [
        *("これは", "何", "ですか", "이것은"),
    ]


@pytest.mark.parametrize("kind", ["wordpunct", "subword"])
@pytest.mark.parametrize(
    "line",
    ["这是 a什 么，没ok", '12, 34,  {"a":5} ', "ab\tcd\t", "ab\tcd,\t \te \t(f)\t", "这是，没有。"],
)
def test_a_line_of_any_length_is_read_in_parts(tmp_path, monkeypatch, kind, line):
    monkeypatch.setattr(text, "MAX_WORD_CHARACTERS", 9)
    monkeypatch.setattr(text_file, "BLOCK_BYTES", 24)
    content = line * 20 + "\n"
    (tmp_path / "text.txt").write_text(content, encoding="utf-8")
    numbers = text.lexicon(kind)
    ids = text.read(tmp_path / "text.txt", numbers).ids
    assert [numbers.tokens[i] for i in ids] == text.split(content, kind)


@settings(max_examples=300)
@given(
    st.text("a的,\t  ", min_size=1), st.text("a的,\t  "), st.sampled_from(["wordpunct", "subword"])
)
def test_no_token_crosses_the_place_where_a_text_is_cut(first, then, kind):
    numbers = text.lexicon(kind)
    whole, rest = numbers.cut(first)
    both = [each for each in (whole, rest + then) if each]
    assert [token for each in both for token in numbers.split(each)] == numbers.split(first + then)


def test_chinese_prose_has_few_types_and_leads_nowhere_else(tmp_path):
    (tmp_path / "text.txt").write_text("这是什么？没什么，“三”。3.5 ok\n" * 40, encoding="utf-8")
    corpus = load_text(tmp_path / "text.txt", options=TextOptions("wordpunct"))
    assert "这" in corpus.vocabulary
    assert corpus.summary["test"].unknown == 0
    assert corpus.reasons == ()


def extents(content, kind):
    numbers = text.lexicon(kind)
    ids, _ = text.encode([content], numbers)
    return Extents(numbers.tokens, kind).predicted(ids)


@pytest.mark.parametrize("part_tokens", [2, parts.PART_TOKENS])
@pytest.mark.parametrize("kind", text.TOKENS)
def test_every_kind_of_tokens_counts_the_same_characters_and_words(kind, part_tokens, monkeypatch):
    monkeypatch.setattr(parts, "PART_TOKENS", part_tokens)
    # Without the first token: "a", of every kind.
    content = "a cat (it's) é, so.\nb\n\n"
    assert extents(content, kind) == (len(content) - 1, 5 + 2 + 1)


def test_spaces_beyond_one_are_characters_and_no_words():
    content = "a  cat\t , x \n  b\n"
    assert extents(content, "wordpunct") == (len(content) - 1, 4 + 2)
    assert extents(content, "char") == (len(content) - 1, 4 + 2)


def test_bits_per_character_do_not_depend_on_the_tokens(tmp_path):
    (tmp_path / "text.txt").write_text("ab, cd (ab)\ncd ab\n" * 30)
    for kind in text.TOKENS:
        corpus = load_text(tmp_path / "text.txt", options=TextOptions(kind))
        counts = corpus.summary["test"]
        # The same text at 2 bits a character, whatever the tokens.
        perplexity = 2 ** (2 * counts.characters / (counts.tokens - 1))
        assert counts.bits_per_character(perplexity) == pytest.approx(2)
        by_word = np.exp2(2 * counts.characters / counts.words)
        assert counts.word_perplexity(perplexity) == pytest.approx(by_word)


def test_the_first_token_counts_where_documents_are_told_apart(tmp_path):
    (tmp_path / "text.txt").write_text("ab, cd (ab)\ncd ab\n" * 30, encoding="utf-8")
    for kind in text.TOKENS:
        counts = load_text(tmp_path / "text.txt", options=TextOptions(kind)).summary["test"]
        characters = counts.characters + counts.first_characters
        assert counts.first_characters == (1 if kind == "char" else 2)
        assert counts.first_words == 1
        # 2 bits a character over every token.
        perplexity = 2 ** (2 * characters / counts.tokens)
        assert counts.bits_per_character(perplexity, first=1) == pytest.approx(2)
        by_word = np.exp2(2 * characters / (counts.words + 1))
        assert counts.word_perplexity(perplexity, first=1) == pytest.approx(by_word)
