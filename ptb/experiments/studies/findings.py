"""The findings of a verdict, and which of them hold with other seeds or on another text."""

from __future__ import annotations

import difflib
import re

# Follows the settings of which none is clearly the best.
OF_SEVERAL = " (which of them is not clear)"
# What a finding holds for: "After epoch 2, with the state carried, ...".
CONDITIONS = re.compile(r"((after|at|before|with) [^,]+, )*", re.I)
# The two sizes that a finding compares: "batch 64 has a higher loss than batch 1".
COMPARED = re.compile(r"\b(batch \d+|\d+ units) .*\b(batch \d+|\d+ units)\b")
# The networks that a finding compares: "the RNN remembers longer than the LSTM".
NETWORK = re.compile(
    r"\b(?:un)?(?:trained )?(?:RNN|GRU|LSTM)(?: with (?:forget bias|radius) \d+(?:\.\d+)?)?"
)
# What leaves the answer open.
DOUBT = re.compile(r"it is not clear|(?:do|does|is) not clearly|no clear |no \w+ is clearly", re.I)
LESS = re.compile(r"; whether (.+) would be enough is not clear")
# What a finding holds for, or holds for clearly: "Memory grows, but not clearly with every window".
DEGREE = re.compile(
    r"slightly |(?:, but not clearly)? (?:at|with) every .+|"
    r", but not clearly (?:if the share is|for the) (?:[^.]|\.\d)+"
)
NONE = "none"  # instead of a finding that one of two verdicts lacks


def paired(verdict: str, other: str) -> list[tuple[str, str]]:
    """Pairs the findings of two verdicts: equal ones, then similar ones, else with NONE.

    A condition in front ("After the same words, ...") and the sizes or networks that are compared
    must be the same.
    """
    ones, others = findings(verdict), findings(other)
    pairs = {one: one for one in ones if one in others}
    candidates = [
        (one, each) for one in ones for each in others if one not in pairs and each not in ones
    ]
    for one, each in sorted(candidates, key=lambda pair: -_similarity(*pair)):
        if one not in pairs and each not in pairs.values() and _subject(one) == _subject(each):
            pairs[one] = each
    left = [each for each in others if each not in pairs.values()]
    return [(one, pairs.get(one, NONE)) for one in ones] + [(NONE, each) for each in left]


def _subject(finding: str) -> tuple[str, set[str]]:
    """The conditions of a finding, and the sizes or networks that it compares.

    A finding that names the best of all networks, or speaks of all of them, compares none.
    """
    compared, networks = COMPARED.search(finding), set(NETWORK.findall(finding))
    subject = set(compared.groups()) if compared else set()
    if "networks" not in finding and (len(networks) > 1 or "gradient of the " in finding):
        subject |= networks
    return CONDITIONS.match(finding)[0], subject  # type: ignore[index]


def _similarity(one: str, other: str) -> float:
    """Share of words, from 0 to 1, that two findings have in common in the same order."""
    return difflib.SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio()


def contradicts(pair: tuple[str, str]) -> bool:
    """Whether two findings differ, and neither is missing or says that the answer is not clear.

    A difference of degree is no contradiction: a slight difference agrees with a larger one of the
    same sign, and with none; growth that is not clear at each step agrees with one that is. A
    finding that names several settings as the best agrees with one that names one of them. One
    that doubts whether less would be enough agrees with one to which it is.
    """
    if NONE in pair or any(DOUBT.search(each) for each in pair):
        return False
    none = "no difference|about the same"
    if any("slightly " in a and re.search(none, b) for a, b in (pair, pair[::-1])):
        return False
    one, other = (DEGREE.sub("", each) for each in pair)
    if LESS.search(one) or LESS.search(other):
        (least, rest), (other_least, other_rest) = _enough(one), _enough(other)
        return rest != other_rest or not least & other_least
    if OF_SEVERAL in one or OF_SEVERAL in other:
        (best, rest), (other_best, other_rest) = _best_settings(one), _best_settings(other)
        return rest != other_rest or not best & other_best
    return one != other


def _enough(finding: str) -> tuple[set[str], str]:
    """The settings of which one is the least that is enough, and the text without them."""
    doubt = LESS.search(finding)
    head = LESS.sub("", finding).replace("nothing below ", "")
    rest, *least = re.split(r"(\d+)(?= is enough)", head)[:2]
    return {*least, *re.findall(r"\d+", doubt[1] if doubt else "")}, rest


def _best_settings(finding: str) -> tuple[set[str], str]:
    """The names of the best settings, and the text around them."""
    best = r" (?:units )?ha(?:s|ve) the lowest loss| (?:is|are) fastest"
    condition = CONDITIONS.match(finding)[0]  # type: ignore[index]
    said = finding.removeprefix(condition).replace(OF_SEVERAL, "").removeprefix("batch_size ")
    names, *rest = re.split(best, said, maxsplit=1)
    return set(re.findall(r"\w+", names)) - {"and"}, condition + "".join(rest)


def tally(pairs: list[tuple[str, str]], where: str = "") -> str:
    """How many findings are the same, and what the others are."""
    same = sum(one == other for one, other in pairs)
    alone = sum(NONE in pair for pair in pairs)
    against = sum(map(contradicts, pairs))
    text = f"{same} of {len(pairs)} findings are the same{where}"
    for count, what in (
        (alone, "without a counterpart"),
        (len(pairs) - same - alone - against, "different in degree or certainty"),
        (against, "contradicted"),
    ):
        if count:
            text += f", {count} {what}"
    return f"{text}."


def comparison(pairs: list[tuple[str, str]], heading: str) -> list[str]:
    """A Markdown table of findings and their counterparts elsewhere."""
    rows = [f"| {one} | {'the same' if one == other else other} |" for one, other in pairs]
    return [f"| finding | {heading} |", "|---|---|", *rows]


def findings(verdict: str) -> list[str]:
    """The findings of a verdict: its bold phrases, word for word."""
    return re.findall(r"\*\*(.+?)\*\*", verdict)
