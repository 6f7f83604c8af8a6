"""The findings of a verdict, and which of them hold with other seeds or on another text."""

from __future__ import annotations

import re

# Follows the settings of which none is clearly the best.
OF_SEVERAL = " (which of them is not clear)"


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

    A finding that names several settings as the best agrees with one that names some of them. One
    with a doubt in another part counts as a finding without.
    """
    doubt = r"it is not clear|not clearly|no clear"
    if pair[0] == pair[1] or any(re.search(doubt, each, re.I) for each in pair):
        return False
    if not any(OF_SEVERAL in each for each in pair):
        return True
    (one, rest), (other, other_rest) = map(_best_settings, pair)
    return rest != other_rest or not (one <= other or other <= one)


def _best_settings(finding: str) -> tuple[set[str], str]:
    """The words before what the best settings are, and the text after it."""
    best = r" ha(?:s|ve) the lowest loss| (?:is|are) fastest"
    head, *rest = re.split(best, finding.replace(OF_SEVERAL, ""), maxsplit=1)
    return set(re.findall(r"\w+", head)) - {"and"}, "".join(rest)


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
