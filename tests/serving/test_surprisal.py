import io

from ptb.serving.surprisal import Word, draw, table

WORDS = [Word("the", None, False), Word("$x_", 3.25, True), Word(" ", 12.0, False)]


def test_the_table_has_a_line_for_each_word():
    assert table(WORDS).splitlines() == [
        "  bits  word",
        "     -  the",
        "  3.25  $x_ (<unk>)",
        " 12.00  ␣",
    ]


def test_the_table_names_what_the_model_reads_and_shows_every_space():
    words = [Word(" the", None, False), Word(", ", 1.0, False), Word("<eos>", 2.0, False)]
    assert table(words, "subword").splitlines() == [
        "  bits  subword",
        "     -  ␣the",
        "  1.00  ,␣",
        "  2.00  <eos>",
    ]


def test_any_words_can_be_drawn():
    file = io.BytesIO()
    draw(WORDS * 20, "bits", file)
    assert file.getvalue().startswith(b"\x89PNG")
