"""What a study measured: rows of figures, kept as CSV, with intervals over the seeds."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ptb.data.summary import exp_of_nats

Row = dict[str, Any]
NOT_CLEAR = "not clear"


@dataclass(frozen=True)
class Spread:
    """One figure measured several times: its mean, and an interval around it.

    `estimate` gives the interval of a mean, `median` of a median, and `wilson` of a share. An
    infinite interval says that nothing is known of it: one value, or one that is not finite.
    """

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """The mean, and the interval where it has one: `2.41 (2.38 to 2.45)`."""
        mean, low, high = (format(value, spec) for value in (self.mean, self.low, self.high))
        unknown = math.isinf(self.low) and math.isinf(self.high)
        return mean if low == high or unknown else f"{mean} ({low} to {high})"

    @property
    def band(self) -> tuple[float, float]:
        """The interval as a figure shows it: without width where it is infinite."""
        unknown = math.isinf(self.low) or math.isinf(self.high)
        return (self.mean, self.mean) if unknown else (self.low, self.high)

    def map(self, function: Callable[[float], float]) -> Spread:
        """An increasing function of the mean and of the ends; an infinite end stays infinite."""
        low, high = (end if math.isinf(end) else function(end) for end in (self.low, self.high))
        return Spread(function(self.mean), low, high)

    def overlaps(self, other: Spread) -> bool:
        """Whether one value lies in both intervals."""
        return self.low <= other.high and other.low <= self.high


def values_by(rows: list[Row], value: str, *by: str) -> dict:
    """Groups the values of the column `value` by the columns `by`, in their order.

    The keys are tuples if `by` names several columns. Each group is in the order of the seeds, so
    that two groups can be paired.
    """
    groups = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.get("seed", 0)):
        key = tuple(row[name] for name in by)
        groups[key if len(by) > 1 else key[0]].append(float(row[value]))
    return dict(groups)


def estimates(rows: list[Row], value: str, *by: str) -> dict:
    """The mean of the column `value` and its interval for each value of `by`."""
    return {key: estimate(values) for key, values in values_by(rows, value, *by).items()}


# Student's t that 97.5% of the draws are below, for 1, 2, ..., 10 degrees of freedom.
_T_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def t_975(degrees: float) -> float:
    """The 97.5% quantile of Student's t; of the next lower number of degrees if not an integer.

    Beyond the table by the expansion of Fisher and Cornish 1960 (DOI 10.2307/1266546).
    """
    degrees = max(1, int(degrees))
    if degrees <= len(_T_975):
        return _T_975[degrees - 1]
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / degrees**power for power, term in enumerate(terms))


def estimate(values: Iterable[float]) -> Spread:
    """The mean of the values and its 95% interval (Student's t)."""
    values = np.asarray(list(values), float)
    if len(values) < 2 or not np.isfinite(values).all():
        with np.errstate(invalid="ignore"):  # infinity less infinity
            return Spread(float(values.mean()), -math.inf, math.inf)
    half = t_975(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return Spread(mean, mean - half, mean + half)


def median(values: Iterable[float]) -> Spread:
    """The median of the values, some of which may be infinite, and its interval of at least 95%.

    The interval goes from one of the values to another: as many values are below the median as
    tosses of a coin are heads. Fewer than 6 values have none.
    """
    ordered = np.sort(np.asarray(list(values), float))
    count, cut, below = len(ordered), 0, 0.5 ** len(ordered)
    while below <= 0.025:
        cut += 1
        below += math.comb(count, cut) * 0.5**count
    ends = (ordered[cut - 1], ordered[-cut]) if cut else (-math.inf, math.inf)
    with np.errstate(invalid="ignore"):
        return Spread(float(np.median(ordered)), *map(float, ends))


def difference(ones: Iterable[float], others: Iterable[float]) -> Spread:
    """The mean of `ones` less that of `others`, and its 95% interval (Welch 1947)."""
    groups = [np.asarray(list(each), float) for each in (ones, others)]
    if not all(np.isfinite(each).all() for each in groups):
        return Spread(math.nan, -math.inf, math.inf)
    gap = float(groups[0].mean() - groups[1].mean())
    if min(map(len, groups)) < 2:
        return Spread(gap, -math.inf, math.inf)
    variances = [float(each.var(ddof=1)) / len(each) for each in groups]
    if not (total := sum(variances)):
        return Spread(gap, gap, gap)
    shares = zip(variances, groups, strict=True)
    degrees = total**2 / sum(variance**2 / (len(each) - 1) for variance, each in shares)
    half = t_975(degrees) * math.sqrt(total)
    return Spread(gap, gap - half, gap + half)


def ratio(ones: Iterable[float], others: Iterable[float]) -> Spread:
    """The geometric mean of `ones` over `others`, pair by pair, and its 95% interval."""
    pairs = np.array([*zip(ones, others, strict=True)], float)
    with np.errstate(all="ignore"):  # zeros and infinities: the ratio is then not clear
        logs = estimate(np.log(pairs[:, 0]) - np.log(pairs[:, 1]))
        return logs.map(lambda log: float(np.exp(log)))


def perplexity_of(nats: Spread) -> Spread:
    """The perplexity of a loss in nats a word; infinite where it exceeds float64."""
    return nats.map(exp_of_nats)


def wilson(successes: int, trials: int) -> Spread:
    """The share of successes and its 95% interval (Wilson 1927, DOI 10.2307/2276774)."""
    z, share = 1.959964, successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z
        / (1 + z * z / trials)
        * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    )
    # At a share of 0 or 1 the formula's end is off that by rounding.
    return Spread(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def compare(one: Spread, other: Spread) -> str:
    """ "lower" or "higher", of `one` against `other`; NOT_CLEAR where their intervals overlap."""
    if one.overlaps(other) or math.isnan(one.mean) or math.isnan(other.mean):
        return NOT_CLEAR
    return "lower" if one.mean < other.mean else "higher"


def sign_of(gap: Spread) -> str:
    """ "lower" or "higher", of a difference; NOT_CLEAR where its interval includes 0."""
    if gap.low <= 0 <= gap.high or math.isnan(gap.mean):
        return NOT_CLEAR
    return "lower" if gap.mean < 0 else "higher"


def within(gap: Spread, margin: float) -> bool | None:
    """Whether a difference is at most `margin` either way; None where its interval says both."""
    if -margin <= gap.low and gap.high <= margin:
        return True
    return False if gap.low > margin or gap.high < -margin else None


def lowest(groups: dict) -> tuple[object, list]:
    """The key of the values with the lowest mean, and those whose mean is not clearly above it."""
    means = {key: float(np.mean(values)) for key, values in groups.items()}
    best = min(means, key=lambda key: math.inf if math.isnan(means[key]) else means[key])
    others = [key for key in groups if key != best]
    return best, [key for key in others if difference(groups[key], groups[best]).low <= 0]


def and_(words: Iterable, join: str = "and") -> str:
    """`1`, `1 and 2`, `1, 2 and 3`."""
    *most, last = map(str, words)
    return f"{', '.join(most)} {join} {last}" if most else last


def or_(words: Iterable) -> str:
    """`1`, `1 or 2`, `1, 2 or 3`."""
    return and_(words, "or")


def where(rows: list[Row], **wanted) -> list[Row]:
    """The rows that have these values in these columns."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def has_learned(row: Row) -> bool:
    """Whether the loss is finite and below that of the words' frequencies alone."""
    return row["valid_nats"] < row["unigram_nats"]


def sound(rows: list[Row], *by: str) -> tuple[list[Row], list]:
    """The rows that can support a verdict, and the names of the settings that cannot.

    A setting of which any seed has not learned, or has diverged, supports none.
    """
    keys = [tuple(row[name] for name in by) for row in rows]
    failed = {key for key, row in zip(keys, rows, strict=True) if not has_learned(row)}
    kept = [row for key, row in zip(keys, rows, strict=True) if key not in failed]
    names = [key if len(by) > 1 else key[0] for key in dict.fromkeys(keys) if key in failed]
    return kept, names


def in_words(network: str) -> str:
    """A network's name within a sentence: `LSTM, forget bias 1` is an LSTM with forget bias 1."""
    network = network.replace(", forget bias", " with forget bias")
    network = re.sub(r"^RNN, radius (.+)", r"untrained RNN with radius \1", network)
    return re.sub(r"^(\w+), trained$", r"trained \1", network)


def describe_failed(failed: list, what: str) -> str:
    """A sentence on the settings that `sound` left out; "" for none."""
    if not failed:
        return ""
    names = and_([" ".join(map(str, f)) if isinstance(f, tuple) else str(f) for f in failed])
    return (
        f"Not counted: {what} {names}. At least one seed diverged there, or is not better than the "
        "words' frequencies."
    )


def describe_rates(rows: list[Row], *by: str, what: str = "") -> str:
    """How the learning rates were chosen, and a table of the settings that have each of them."""
    chosen = {(what, *(row[name] for name in by)): row for row in rows}
    names = {key: " ".join(map(str, key)).strip() for key in chosen}
    settings: dict[float, list[str]] = {}
    for key, row in chosen.items():
        settings.setdefault(row["learning_rate"], []).append(names[key])
    tried = sorted({float(rate) for row in rows for rate in str(row["rates_tried"]).split()})
    edges = [names[key] for key, row in chosen.items() if row["rate_at_edge"]]
    note = (
        f"At the edge of the grid, so a better rate may exist: {'; '.join(edges)}."
        if edges
        else "No chosen rate is at the edge of its grid."
    )
    head = (
        "Each setting has the learning rate with the lowest mean valid loss, chosen on separate "
        f"seeds. The grids spanned {tried[0]:g} to {tried[-1]:g}. {note} An interval is over the "
        "seeds at that rate. It does not say how much the choice of the rate adds."
    )
    table = [f"| {rate:g} | {'; '.join(settings[rate])} |" for rate in sorted(settings)]
    return "\n".join([head, "", "| learning rate | settings |", "|---|---|", *table])


def describe_size(units: int) -> str:
    """The size of the networks that were measured."""
    return f"Measured with one layer of {units} units. Other sizes may give other answers."


def last_points(rows: list[Row], *by: str) -> list[Row]:
    """The row of each training curve with the most updates.

    A curve has one value in each column of `by`.
    """
    ordered = sorted(rows, key=lambda row: row["updates"])
    last = {tuple(row[name] for name in by): row for row in ordered}
    return [last[key] for key in dict.fromkeys(tuple(row[name] for name in by) for row in rows)]


def to_csv(rows: list[Row]) -> str:
    """Formats rows as CSV: six significant digits, the columns of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({n: f"{v:.6g}" if isinstance(v, float) else v for n, v in row.items()})
    return text.getvalue()


def from_csv(text: str) -> list[Row]:
    """Reads rows from CSV. Raises ValueError if there is no row, or a field is missing or wrong."""
    lines = dict(_lines(text))
    if not lines:
        raise ValueError("there is no measurement in it")
    for name in next(iter(lines.values())):
        _check_column(name, {number: row[name] for number, row in lines.items()})
    return [{name: _value(field) for name, field in row.items()} for row in lines.values()]


def _lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV with their line numbers. A row without its line break was cut off."""
    reader = csv.DictReader(io.StringIO(text))
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"line {reader.line_num} has too few or too many fields")
            yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
    if text and not text.endswith("\n"):
        raise ValueError(f"line {reader.line_num} is cut off")


def _check_column(name: str, fields: dict[int, str]) -> None:
    """Raises ValueError if most fields of a column are numbers, and one is not."""
    others = [number for number, field in fields.items() if not _is_number(field)]
    if others and len(others) < len(fields) / 2:
        field = fields[others[0]]
        raise ValueError(f"line {others[0]}, column {name}: {field[:40]!r} is not a number")


def _is_number(field: str) -> bool:
    """Whether the field is a number, or several with spaces between."""
    return bool(field) and not any(isinstance(_value(part), str) for part in field.split(" "))


def _value(field: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(field)
        except ValueError:
            continue
    return field
