"""What a study measured: rows of figures, kept as CSV, with intervals over the seeds."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ptb.data.summary import exp_of_nats

Row = dict[str, Any]
CONFIDENCE = 0.95
_RESAMPLES = 4000
NOT_CLEAR = "not clear"


@dataclass(frozen=True)
class Spread:
    """One figure measured several times: its mean, and an interval around it.

    `estimates` gives a bootstrap interval of the mean, and `wilson` the interval of a share.
    """

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """The mean, and the interval where it has one: `2.41 (2.38 to 2.45)`."""
        mean, low, high = (format(value, spec) for value in (self.mean, self.low, self.high))
        return mean if low == high else f"{mean} ({low} to {high})"

    def overlaps(self, other: Spread) -> bool:
        """Whether one value lies in both intervals."""
        return self.low <= other.high and other.low <= self.high


def values_by(rows: list[Row], value: str, *by: str) -> dict:
    """Groups the values of the column `value` by the columns `by`, in their order.

    The keys are tuples if `by` names several columns.
    """
    groups = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in by)
        groups[key if len(by) > 1 else key[0]].append(float(row[value]))
    return dict(groups)


def estimates(rows: list[Row], value: str, *by: str) -> dict:
    """The mean of the column `value` and its bootstrap interval for each value of `by`."""
    return {key: bootstrap(values) for key, values in values_by(rows, value, *by).items()}


def bootstrap(values: Iterable[float], of=np.mean) -> Spread:
    """A statistic of the values (`of`) with its 95% bootstrap interval.

    The percentile interval of Efron 1979 (DOI 10.1214/aos/1176344552), the same for the same
    values. `of` takes an array and the keyword `axis`. If it is infinite, so is the interval.
    """
    values = np.asarray(list(values), float)
    if not np.isfinite(of(values, axis=0)):
        return Spread(math.inf, math.inf, math.inf)
    rng = np.random.default_rng(0)
    drawn = of(values[rng.integers(len(values), size=(_RESAMPLES, len(values)))], axis=1)
    tail = (1 - CONFIDENCE) / 2
    with np.errstate(invalid="ignore"):  # infinity less infinity: medians of some infinite values
        low, high = np.nan_to_num(
            np.quantile(drawn, [tail, 1 - tail]), nan=math.inf, posinf=math.inf
        )
    return Spread(float(of(values, axis=0)), float(low), float(high))


def difference(ones: Iterable[float], others: Iterable[float]) -> Spread:
    """The mean of `ones` less that of `others`, with a bootstrap interval: both are drawn again."""
    ones, others = np.asarray(list(ones), float), np.asarray(list(others), float)
    if not (np.isfinite(ones).all() and np.isfinite(others).all()):
        return Spread(math.nan, -math.inf, math.inf)
    rng = np.random.default_rng(0)
    drawn = [
        each[rng.integers(len(each), size=(_RESAMPLES, len(each)))].mean(axis=1)
        for each in (ones, others)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn[0] - drawn[1], [tail, 1 - tail])
    return Spread(float(ones.mean() - others.mean()), float(low), float(high))


def ratio(ones: Iterable[float], others: Iterable[float]) -> Spread:
    """The geometric mean of `ones` over `others`, seed by seed, with a bootstrap interval."""
    logs = bootstrap(math.log(one / other) for one, other in zip(ones, others, strict=True))
    return Spread(*(math.exp(each) for each in (logs.mean, logs.low, logs.high)))


def perplexity_of(nats: Spread) -> Spread:
    """The perplexity of a loss in nats a word; infinite where it exceeds float64."""
    return Spread(*map(exp_of_nats, (nats.mean, nats.low, nats.high)))


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


def within(gap: Spread, margin: float) -> bool | None:
    """Whether a difference is at most `margin` either way; None where its interval says both."""
    if -margin <= gap.low and gap.high <= margin:
        return True
    return False if gap.low > margin or gap.high < -margin else None


def lowest(spreads: dict) -> tuple[object, list]:
    """The key with the lowest mean, and the others whose intervals overlap with its."""
    best = min(spreads, key=lambda key: spreads[key].mean)
    others = [key for key in spreads if key != best]
    return best, [key for key in others if spreads[key].overlaps(spreads[best])]


def and_(words: Iterable) -> str:
    """`1`, `1 and 2`, `1, 2 and 3`."""
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last


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
        f"Not counted: {what} {names}. At least one seed diverged there, or learned only the "
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
        f"seeds. The grids spanned {tried[0]:g} to {tried[-1]:g}. {note}"
    )
    table = [f"| {rate:g} | {'; '.join(settings[rate])} |" for rate in sorted(settings)]
    return "\n".join([head, "", "| learning rate | settings |", "|---|---|", *table])


def describe_size(units: int) -> str:
    """The size of the networks that were measured."""
    return f"Measured with one layer of {units} units. Other sizes may give other answers."


def last_points(rows: list[Row], *by: str) -> list[Row]:
    """The last row of each training curve; a curve has one value in each column of `by`."""
    return list({tuple(row[name] for name in by): row for row in rows}.values())


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
