import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from ptb.explain.diagram import shorten
from ptb.machine.escape import escape
from ptb.serving.surprisal import Word, table


def test_what_could_lead_a_terminal_astray_is_written_out():
    assert escape("a\x1b[2Jé\x9b\n\u202eb\u2028\ud800") == (
        "a\\x1b[2Jé\\x9b\\n\\u202eb\\u2028\\ud800"
    )
    assert escape("中文\u3000a\u00a0\u200cb\t", keep="\t") == "中文\u3000a\u00a0\u200cb\t"


@settings(max_examples=25)
@given(st.text())
def test_no_control_character_is_left(text):
    shown = escape(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert escape(shown) == shown


def test_words_are_written_out_in_diagrams_and_tables():
    assert shorten("a\x1b[1m", 16) == "a\\x1b[1m"
    assert table([Word("\u202ea", 1.0, False)]).splitlines()[1] == "  1.00  \\u202ea"
