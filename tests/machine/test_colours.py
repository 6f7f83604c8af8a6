import re
from pathlib import Path

from matplotlib import font_manager

from ptb.machine import colours

ROOT = Path(__file__).parents[2]
ROLES = ("INPUT", "TARGET", "STATE", "GRADIENT", "LOSS", "TRAIN", "RESET", "GREY")


def test_the_colour_of_a_role_stands_for_nothing_else():
    own = [getattr(colours, role) for role in ROLES]
    others = {*colours.SERIES, *colours.shades(9)}
    assert len(set(own)) == len(own)
    assert len(set(colours.SERIES)) == len(colours.SERIES)
    assert not others & set(own)
    assert len(set(colours.NETWORKS.values())) == len(colours.NETWORKS)


def test_no_other_module_has_colours_of_its_own():
    files = [path for path in (ROOT / "ptb").rglob("*.py") if path.name != "colours.py"]
    found = [path for path in files if re.search('"#[0-9a-f]{6}"', path.read_text("utf-8"))]
    assert found == []


def test_a_font_that_was_installed_after_matplotlib_first_started_is_found(monkeypatch):
    names, added = ["DejaVu Sans"], []

    class Manager:
        def addfont(self, path):
            added.append(path)
            names.append("WenQuanYi Zen Hei")

    monkeypatch.setattr(font_manager, "get_font_names", lambda: names)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/f/Other.ttf", "/f/wqy-zen.ttc"])
    monkeypatch.setattr(font_manager, "fontManager", Manager())
    assert colours.fonts.__wrapped__() == ["DejaVu Sans", "WenQuanYi Zen Hei"]
    assert added == ["/f/wqy-zen.ttc"]
