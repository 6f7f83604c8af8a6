"""Points the pages' links to code at the lines where it stands now: python3 docs/code_lines.py

A link such as [`LSTMCell.call`](../models/cells.py#L133) names what it points to: the line where it
begins, or, as in [`LanguageModel._outputs`, `stop_gradient`](../models/language_model.py#L161), the
first line of it with these words. A test fails when the line is another.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

DOCS = Path(__file__).parent
LINK = re.compile(r"\[`([\w.]+)`(?:, `([^`]+)`)?\]\(([\w./]+\.py)#L(\d+)\)")


def with_lines_of_now(page: str) -> str:
    """The text of a page of this folder with the line of every link to code as it is now."""

    def link(match: re.Match) -> str:
        symbol, words, path, _ = match.groups()
        names = f"`{symbol}`, `{words}`" if words else f"`{symbol}`"
        return f"[{names}]({path}#L{line_of(DOCS / path, symbol, words or '')})"

    return LINK.sub(link, page)


def line_of(path: Path, symbol: str, words: str = "") -> int:
    """Where a function, a class, or a method such as `Windows.__getitem__` first has the words."""
    content = path.read_text(encoding="utf-8")
    node = ast.parse(content)
    for name in symbol.split("."):
        node = next(each for each in node.body if getattr(each, "name", None) == name)
    lines = content.splitlines()
    return next(n for n in range(node.lineno, node.end_lineno + 1) if words in lines[n - 1])


if __name__ == "__main__":
    for each in DOCS.glob("*.md"):
        each.write_text(with_lines_of_now(each.read_text(encoding="utf-8")), encoding="utf-8")
