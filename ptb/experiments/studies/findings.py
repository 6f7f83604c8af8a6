"""The findings of a verdict, and which of them hold with other seeds or on another text."""

from __future__ import annotations

import difflib
import re

# Follows the settings of which none is clearly the best.
OF_SEVERAL = " (which of them is not clear)"
# What a finding holds for: "After epoch 2, with the state carried, ...".
CONDITIONS = re.compile(r"((after|at|before|with) [^,]+, )*", re.I)
DOUBT = re.compile(r"; whether (.+) would be enough is not clear")
NONE = "none"  # instead of a finding that one of two verdicts lacks


def paired(verdict: str, other: str) -> list[tuple[str, str]]:
    """Pairs the findings of two verdicts: equal ones, then similar ones, else with NONE.

    A condition in front ("After the same words, ...") must be the same.
    """
    ones, others = findings(verdict), findings(other)
    pairs = {one: one for one in ones if one in others}
    candidates = [
        (one, each) for one in ones for each in others if one not in pairs and each not in ones
    ]
    for one, each in sorted(candidates, key=lambda pair: -_similarity(*pair)):
        if one not in pairs and each not in pairs.values() and _same_condition(one, each):
            pairs[one] = each
    left = [each for each in others if each not in pairs.values()]
    return [(one, pairs.get(one, NONE)) for one in ones] + [(NONE, each) for each in left]


def _same_condition(one: str, other: str) -> bool:
    return CONDITIONS.match(one)[0] == CONDITIONS.match(other)[0]  # type: ignore[index]


def _similarity(one: str, other: str) -> float:
    """Share of words, from 0 to 1, that two findings have in common in the same order."""
    return difflib.SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio()


def contradicts(pair: tuple[str, str]) -> bool:
    """Whether two findings differ, and neither is missing or says that the answer is not clear.

    A slight difference agrees with a larger one of the same sign, and with none. A finding that
    names several settings as the best agrees with one that names some of them. One that doubts
    whether less would be enough agrees with one to which it is.
    """
    doubt, none = r"it is not clear|not clearly|no clear", "no difference|about the same"
    if any("slightly " in a and re.search(none, b) for a, b in (pair, pair[::-1])):
        return False
    pair = pair[0].replace("slightly ", ""), pair[1].replace("slightly ", "")
    if pair[0] == pair[1] or NONE in pair or any(re.search(doubt, each, re.I) for each in pair):
        return False
    if any(DOUBT.search(each) for each in pair):
        (one, rest), (other, other_rest) = map(_enough, pair)
        return rest != other_rest or not one & other
    if not any(OF_SEVERAL in each for each in pair):
        return True
    (one, rest), (other, other_rest) = map(_best_settings, pair)
    return rest != other_rest or not (one <= other or other <= one)


def _enough(finding: str) -> tuple[set[str], str]:
    """The settings of which one is the least that is enough, and the text without them."""
    doubt = DOUBT.search(finding)
    head = DOUBT.sub("", finding).replace("nothing below ", "")
    rest, *least = re.split(r"(\d+)(?= is enough)", head)[:2]
    return {*least, *re.findall(r"\d+", doubt[1] if doubt else "")}, rest


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
