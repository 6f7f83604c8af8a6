"""The words of the demo page, without a browser."""

import json
import re
from pathlib import Path

from ptb.data.text import UNITS

FOLDER = Path(__file__).parents[2] / "ptb/serving/page"
# Keys that begin so are put together from what the model reads, or from a row of its card.
MADE_OF_PARTS = ("unit_", "units_", "card_")


def strings():
    source = (FOLDER / "strings.js").read_text(encoding="utf-8")
    return json.loads(source.partition("const STRINGS = ")[2].rpartition(";")[0])


def places(content):
    return set(re.findall(r"{(\w+)}", content)) - {"unit", "units"}


def test_both_languages_have_every_string_with_the_same_places():
    for key, languages in strings().items():
        assert list(languages) == ["en", "zh"], key
        assert all(languages.values()), key
        assert places(languages["en"]) == places(languages["zh"]), key


def test_every_string_is_used_and_every_one_that_is_used_is_there():
    files = ("index.html", "page.js", "inside.js")
    code = "".join((FOLDER / name).read_text(encoding="utf-8") for name in files)
    named = set(re.findall(r'(?:say\(|data-say=|data-say-label=|dataset.say = )"(\w+)"', code))
    assert named <= set(strings())
    quoted = set(re.findall(r'"(\w+)"', code))
    unused = {key for key in strings() if not key.startswith(MADE_OF_PARTS)} - quoted
    assert unused == set()


def test_every_kind_of_token_has_its_names():
    for kind in UNITS:
        assert {f"unit_{kind}", f"units_{kind}"} <= set(strings())
