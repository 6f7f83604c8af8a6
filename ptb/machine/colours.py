"""Colours and fonts of all pictures.

A role always has the same colour. Other lines take colours of SERIES, or `shades` if the settings
have an order; markers and dashes differ as well. Most are of Okabe and Ito's
palette, which colour-blind readers tell apart too.
"""

from __future__ import annotations

import functools

INPUT = "#0072b2"  # blue
TARGET = "#e69f00"  # orange
STATE = "#009e73"  # green: the state, and what was measured with the state carried
GRADIENT = "#d55e00"  # vermilion: the gradient, going back; its norm
LOSS = "#aa4499"  # purple: the loss of what was not trained on
TRAIN = "#56b4e9"  # sky blue: the loss of what was trained on
RESET = "#882255"  # wine: what was measured with the state zeroed
GREY = "#666666"  # operations, floors and other references

SERIES = ("#000000", "#8c510a", "#999933", "#dd77aa", "#7a7aff", "#aaaaaa")
NETWORKS = {  # each has its place in SERIES
    "RNN": 0,
    "GRU": 1,
    "LSTM": 2,
    "LSTM, forget bias 1": 3,
}

PALE = {
    INPUT: "#d6e8f4",
    TARGET: "#fbe9c6",
    STATE: "#d3ece4",
    LOSS: "#f0dcec",
    GREY: "#ececec",
}

# Fonts for letters that matplotlib's own lacks, the best first, and what their files are called.
CHINESE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "PingFang SC", "Heiti SC"),
    *("Microsoft YaHei", "SimHei"),
)
FILES = (
    "NotoSansCJK",
    "NotoSansSC",
    "SourceHanSans",
    "wqy",
    "PingFang",
    "STHeiti",
    "msyh",
    "simhei",
)


def shades(count: int) -> list[str]:
    """`count` colours from light to dark, for settings that have an order."""
    import matplotlib  # noqa: PLC0415  (the colours alone need no matplotlib)

    scale = matplotlib.colormaps["cividis_r"]
    places = [0.15 + 0.85 * i / max(1, count - 1) for i in range(count)]
    return [matplotlib.colors.to_hex(scale(place)) for place in places]


@functools.cache
def fonts() -> list[str]:
    """The fonts of a picture: matplotlib's own, and a Chinese one if installed."""
    from matplotlib import font_manager  # noqa: PLC0415

    chinese = _installed()
    if not chinese:
        # matplotlib remembers the fonts of its first start, and misses those installed since.
        for path in font_manager.findSystemFonts():
            if any(name in path for name in FILES):
                font_manager.fontManager.addfont(path)
        chinese = _installed()
    return ["DejaVu Sans", *chinese[:1]]


def _installed() -> list[str]:
    from matplotlib import font_manager  # noqa: PLC0415

    names = set(font_manager.get_font_names())
    return [font for font in CHINESE_FONTS if font in names]
