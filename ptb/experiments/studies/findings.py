"""The findings of a verdict, and which of them hold with other seeds or on another text."""

from __future__ import annotations

import re


def paired(verdict: str, other: str) -> list[tuple[str, str]]:
    """Pairs the findings of two verdicts: equal ones together; "none" for a missing one."""
    ones, others = findings(verdict), findings(other)
    left = [one for one in others if one not in ones]
    pairs = [
        (one, one) if one in others else (one, left.pop(0) if left else "none") for one in ones
    ]
    return pairs + [("none", one) for one in left]


def contradicts(pair: tuple[str, str]) -> bool:
    """Whether two findings differ, and neither of them says that the answer is not clear.

    A finding with a doubt in part of it (which of two is best) counts as one without.
    """
    doubt = r"it is not clear|not clearly|no clear"
    return pair[0] != pair[1] and not any(re.search(doubt, each, re.I) for each in pair)


def tally(pairs: list[tuple[str, str]], one_side: str, where: str = "") -> str:
    """How many findings are the same; `one_side` is what the others that are clear once have."""
    held = sum(one == other for one, other in pairs)
    against = sum(map(contradicts, pairs))
    text = f"{held} of {len(pairs)} findings are the same{where}"
    if unclear := len(pairs) - held - against:
        text += f", {unclear} clear {one_side} only"
    return f"{text}, {against} different." if against else f"{text}."


def comparison(pairs: list[tuple[str, str]], heading: str) -> list[str]:
    """A Markdown table of findings and their counterparts elsewhere."""
    rows = [f"| {one} | {'the same' if one == other else other} |" for one, other in pairs]
    return [f"| finding | {heading} |", "|---|---|", *rows]


def findings(verdict: str) -> list[str]:
    """The findings of a verdict: its bold phrases, word for word."""
    return re.findall(r"\*\*(.+?)\*\*", verdict)
