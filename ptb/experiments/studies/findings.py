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
    """Whether two findings differ in more than how clear they are."""
    return pair[0] != pair[1] and not any(re.search(r"\bclear(ly)?\b", each) for each in pair)


def comparison(pairs: list[tuple[str, str]], heading: str) -> list[str]:
    """A Markdown table of findings and their counterparts elsewhere."""
    rows = [f"| {one} | {'the same' if one == other else other} |" for one, other in pairs]
    return [f"| finding | {heading} |", "|---|---|", *rows]


def findings(verdict: str) -> list[str]:
    """The findings of a verdict: its bold phrases, word for word."""
    return re.findall(r"\*\*(.+?)\*\*", verdict)
