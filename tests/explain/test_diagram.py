import io
import re

import numpy as np
import pytest

from ptb.data import reader
from ptb.data.vocabulary import Vocabulary
from ptb.explain.cells import cells_text
from ptb.explain.cells_png import draw_cells
from ptb.explain.diagram import SIZES, View, display_width, shorten, sizes_for
from ptb.explain.diagram_png import draw_batch, draw_unrolled
from ptb.explain.diagram_text import batch_text, fill, unrolled_text
from ptb.explain.phrases import PHRASES

WORDS = Vocabulary("abcdefghijklm")
STREAM = np.arange(13, dtype=np.int32)


def views(batch_size=2, num_steps=3, window=0, stream=STREAM, words=WORDS.words, **style):
    """Sequential and random sampling of the reader's own example."""
    sequential = reader.sequential(stream, batch_size, num_steps)
    random = reader.random(stream, batch_size, num_steps, np.random.default_rng(0))
    return View(sequential, words, window, **style), View(random, words, 0, **style)


def squeezed(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def test_rows_windows_and_targets_are_those_of_the_reader():
    lines = squeezed(batch_text(*views()))
    assert "Cut into batch_size = 2 rows of 6 tokens" in lines
    first = lines.index("row 0 | a b c |")
    assert lines[first + 1] == "row 1 | g h i |"
    assert "row 0 | b c d |" in lines
    assert "row 1 | h i j |" in lines


def test_the_state_goes_through_sequential_windows_and_starts_at_zero_in_random_ones():
    longer = np.tile(STREAM, 4)
    lines = batch_text(*views(stream=longer)).splitlines()
    sequential, random = [line for line in lines if line.startswith("state")]
    assert "zero ---" in sequential
    assert "-|-carried -" in sequential
    assert sequential.count("zero") == 1
    assert random.count("zero") == 2
    assert "carried" not in random
    assert all(line.count("| <--") == 2 for line in lines if line.startswith("gradient"))


def test_a_later_window_continues_the_one_before():
    longer = np.tile(STREAM, 4)
    lines = squeezed(batch_text(*views(stream=longer, window=1)))
    assert "row 0 | d e f | g h i |" in lines
    assert any(line.startswith("state | carried") for line in lines)


@pytest.mark.parametrize(("batch_size", "num_steps"), [(1, 1), (4, 5), (20, 35), (64, 6)])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_drawing_fits_into_the_columns_of_the_terminal(batch_size, num_steps, width, language):
    words = [f"{'uncommonlylong' if i % 3 else '天气'}{i}" for i in range(50)]
    stream = np.random.default_rng(0).integers(50, size=9000).astype(np.int32)
    style = {"width": width, "language": language}
    for window in (0, 11):
        sequential, random = views(batch_size, num_steps, window, stream, words, **style)
        texts = (batch_text(sequential, random), unrolled_text(sequential))
        for text in (*texts, cells_text(width, language)):
            assert max(display_width(line) for line in text.splitlines()) <= width


def test_a_narrow_terminal_gets_fewer_columns_and_not_shreds_of_words():
    words = ["lenek", "borom", "loson", "koson", "doson"]
    stream = np.arange(90, dtype=np.int32) % 5
    lines = squeezed(batch_text(*views(4, 5, 0, stream, words, width=40)))
    assert "row 0 | len… … dos… | len… … dos… |" in lines
    lines = squeezed(batch_text(*views(4, 5, 0, stream, list("vwxyz"), width=40)))
    assert "row 0 | v w x y z | v w x y z |" in lines


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_number_is_never_cut_off_in_a_narrow_terminal(language):
    stream = np.zeros(4_000_000, np.int32)
    sequential, random = views(20, 35, 5_000, stream, ["a"], width=40, language=language)
    lines = squeezed(batch_text(sequential, random))
    assert {"en": "5,000 5,001", "zh": "窗口 5000 窗口 5001"}[language] in lines
    for row in (0, 1, 2, 19):
        starts = [random.start(k, row) for k in (0, 1)]
        assert min(starts) > 99_999  # with "at" in front they take more than the 9 columns
        assert " ".join(f"{start:,}" for start in starts) in lines


def test_what_no_window_predicts_is_counted():
    stream = np.zeros(90_030, np.int32)
    text = " ".join(batch_text(*views(1000, 50, 0, stream)).split())
    assert "predicts 50,000 of the 90,029 targets; 40,029 are left over" in text
    text = " ".join(batch_text(*views(2, 3)).split())
    assert "predicts 6 of the 12 targets; 6 are left over" in text


@pytest.mark.parametrize(
    ("num_tokens", "given", "sizes"),
    [
        (90_030, (None, None), (4, 5)),
        (44, (None, None), (4, 5)),
        (43, (None, None), (3, 4)),
        (27, (None, None), (3, 4)),
        (12, (None, None), (2, 2)),
        (2, (None, None), (1, 1)),
        (27, (2, None), (2, 5)),
        (27, (None, 7), (1, 7)),
        (27, (90, 90), (90, 90)),
    ],
)
def test_a_short_text_is_drawn_with_smaller_sizes(num_tokens, given, sizes):
    assert sizes_for(num_tokens, *given) == sizes


def test_every_size_that_is_chosen_has_a_window_of_both_samplings():
    for num_tokens in range(2, 60):
        sizes = sizes_for(num_tokens, None, None)
        assert sizes in SIZES
        views(*sizes, 0, np.zeros(num_tokens, np.int32))


def test_every_phrase_is_there_in_both_languages():
    for english, chinese in PHRASES.values():
        places = [set(re.findall(r"{\w+", phrase)) for phrase in (english, chinese)]
        assert places[0] == places[1], english
        assert english and chinese


def test_a_chinese_paragraph_is_broken_between_characters_and_never_before_a_mark():
    lines = fill("循环神经网络，读一个词（word）。再读一个词。", 12)  # noqa: RUF001
    assert lines == ["循环神经网", "络，读一个词", "（word）。再", "读一个词。"]  # noqa: RUF001
    assert fill("one two three", 8) == ["one two", "three"]


def test_chinese_is_drawn_in_chinese():
    sequential, random = views(language="zh", stream=np.tile(STREAM, 4))
    text = batch_text(sequential, random)
    assert "第 0 行  | a" in text
    assert "|-传下来 -" in text
    assert "窗口 0" in unrolled_text(sequential)


def test_middle_rows_and_columns_are_left_out_of_a_large_batch():
    sequential, _ = views(20, 35, 0, np.tile(STREAM, 200))
    assert sequential.rows == [0, 1, 2, None, 19]
    assert sequential.columns == [0, 1, 2, None, 34]
    assert sequential.cells(0, 0) == ["a", "b", "c", "…", "i"]


def test_a_window_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"window=1 .*batch_size=2"):
        views(window=1)


def test_a_word_is_shortened_by_the_columns_it_takes():
    assert shorten("language", 5) == "lang…"
    assert shorten("words", 5) == "words"
    assert shorten("循环神经", 5) == "循环…"
    assert shorten(" ", 5) == "␣"
    assert display_width("e\u0301a") == 2


def test_colour_changes_no_letter():
    sequential, random = views()
    for draw in (
        lambda colour: batch_text(sequential, random, colour),
        lambda colour: unrolled_text(sequential, colour),
    ):
        assert "\x1b[" in draw(True)
        assert re.sub("\x1b\\[[0-9]+m", "", draw(True)) == draw(False)
        assert "\x1b[" not in draw(False)


def test_the_unrolled_network_has_a_cell_for_each_step():
    text = unrolled_text(views()[0])
    assert text.count("[cell]") == 3
    assert squeezed(text)[2] == "target b c d"
    assert "input a b c" in squeezed(text)


@pytest.mark.parametrize(
    ("window", "language", "state"),
    [
        (0, "en", "from the start of the epoch, where it is zero, and goes on to window 1;"),
        (1, "en", "from window 0 and goes on to window 2;"),
        (2, "en", "from window 1 and goes no further, because no window follows;"),
        (1, "zh", "来自窗口 0，并传给窗口 2；"),  # noqa: RUF001
        (2, "zh", "来自窗口 1，不再往下传，因为后面没有窗口；"),  # noqa: RUF001
    ],
)
def test_the_state_of_an_unrolled_window_goes_on_to_the_next_if_there_is_one(
    window, language, state
):
    view, _ = views(1, 4, window, language=language)
    assert len(view.windows) == 3
    joint = " " if language == "en" else ""
    lines = unrolled_text(view).splitlines()
    assert state.replace(" ", "") in joint.join(lines).replace(" ", "")


@pytest.mark.parametrize("shape", [(2, 3), (20, 35), (1, 1)])
def test_the_pictures_are_as_wide_as_a_page(shape):
    sequential, random = views(*shape, 0, np.tile(STREAM, 200))
    for draw in (
        lambda file: draw_batch(sequential, random, file),
        lambda file: draw_unrolled(sequential, file),
        draw_cells,
    ):
        file = io.BytesIO()
        assert draw(file), "a letter has no font"
        content = file.getvalue()
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20], "big") == 800


def test_a_picture_says_that_no_font_has_a_letter():
    sequential, _ = views(words=["\ue123"] * 13)  # of the private use area
    assert not draw_unrolled(sequential, io.BytesIO())
