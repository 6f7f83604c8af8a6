"""What a study measured: rows of figures, kept as CSV, and their spread over the seeds."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from dataclasses import dataclass

Row = dict[str, int | float | str]
NEAR_NATS = 0.1  # a word: what counts as near the best loss


@dataclass(frozen=True)
class Spread:
    """One figure measured several times: with several seeds, or in several rounds."""

    mean: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """The mean, and the range where the seeds differ: `2.41 (2.38 to 2.45)`."""
        mean, low, high = (format(value, spec) for value in (self.mean, self.low, self.high))
        return mean if low == high else f"{mean} ({low} to {high})"


def spread(rows: list[Row], value: str, *by: str) -> dict:
    """The spread of the column `value` for each value of the columns `by`, in their order.

    The keys are tuples where `by` names several columns.
    """
    groups = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in by)
        groups[key if len(by) > 1 else key[0]].append(float(row[value]))
    return {
        key: Spread(math.fsum(values) / len(values), min(values), max(values))
        for key, values in groups.items()
    }


def doubt(spreads: dict, best) -> str:
    """A note for `best`, the key that is said to be ahead: those whose range overlaps with its."""
    one = spreads[best]
    near = [
        str(key)
        for key, each in spreads.items()
        if key != best and each.low <= one.high and one.low <= each.high
    ]
    return f" (not clearly: the range of {' and '.join(near)} overlaps)" if near else ""


def where(rows: list[Row], **wanted) -> list[Row]:
    """The rows that have these values in these columns."""
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def last_points(rows: list[Row], *by: str) -> list[Row]:
    """The last row of each training curve: of each setting of the columns `by`."""
    return list({tuple(row[name] for name in by): row for row in rows}.values())


def mean_seconds(rows: list[Row]) -> list[Row]:
    """The rows with the seconds of each point averaged over the seeds, so that they line up."""
    mean = spread(rows, "seconds", "words")
    return [row | {"seconds": mean[row["words"]].mean} for row in rows]


def best_learning_rates(rows: list[Row], by: str) -> dict:
    """For each value of the column `by`, the learning rate with the lowest mean `valid_nats`."""
    losses = spread(
        last_points(rows, by, "learning_rate", "seed"), "valid_nats", by, "learning_rate"
    )
    best = {}
    for (value, rate), loss in losses.items():
        if value not in best or loss.mean < losses[value, best[value]].mean:
            best[value] = rate
    return best


def at_best_learning_rates(rows: list[Row], by: str) -> list[Row]:
    """The rows of each value of `by` at its best learning rate."""
    best = best_learning_rates(rows, by)
    return [row for row in rows if row["learning_rate"] == best[row[by]]]


def describe_learning_rates(rows: list[Row], by: str) -> str:
    """A sentence that names the learning rate of each value of `by`."""
    best = best_learning_rates(rows, by)
    tried = sorted({row["learning_rate"] for row in rows})
    chosen = ", ".join(f"{rate:g} for {by} {value}" for value, rate in best.items())
    edges = [str(value) for value, rate in best.items() if rate in (tried[0], tried[-1])]
    note = f" Another may be better where it is the first or last: {', '.join(edges)}."
    return (
        f"Each {by} has the learning rate, of {', '.join(f'{rate:g}' for rate in tried)}, with the "
        f"lowest mean valid loss at the end: {chosen}.{note if edges else ''}"
    )


def seconds_to(rows: list[Row], target: float, by: str) -> dict:
    """The spread of the seconds after which each value of `by` first had `valid_nats` <= `target`.

    Only values are given whose every seed came so far.
    """
    reached = {}
    for row in rows:
        key = (row[by], row["seed"])
        if row["valid_nats"] <= target and key not in reached:
            reached[key] = row
    short = {row[by] for row in rows if (row[by], row["seed"]) not in reached}
    return spread([row for row in reached.values() if row[by] not in short], "seconds", by)


def quickest_to(rows: list[Row], by: str) -> str:
    """A sentence on how soon each value of `by` came near the best loss at the end of any."""
    loss = spread(last_points(rows, by, "seed"), "valid_nats", by)
    target = min(each.mean for each in loss.values()) + NEAR_NATS
    times = seconds_to(rows, target, by)
    never = [str(value) for value in loss if value not in times]
    head = f"To a loss within {NEAR_NATS:g} nats of the best"
    if not times:
        return f"**{head}** ({target:.3f} nats a word) no {by} came with every seed."
    quickest = min(times, key=lambda value: times[value].mean)
    took = ", ".join(f"{time:.2f} s with {value}" for value, time in times.items())
    rest = f"; with {' and '.join(never)} not every seed came so far" if never else ""
    return (
        f"**{head} the quickest is {by} {quickest}**{doubt(times, quickest)}: {target:.3f} nats a "
        f"word took {took}{rest}."
    )


def loss_after(rows: list[Row], seconds: float, by: str) -> dict:
    """The spread of `valid_nats` of each value of `by` when it was last measured by that time.

    Only values are given whose every seed was measured by then.
    """
    in_time = [row for row in rows if row["seconds"] <= seconds]
    measured = {(row[by], row["seed"]) for row in in_time}
    late = {row[by] for row in rows if (row[by], row["seed"]) not in measured}
    in_time = [row for row in in_time if row[by] not in late]
    return spread(last_points(in_time, by, "seed"), "valid_nats", by)


def to_csv(rows: list[Row]) -> str:
    """Six significant digits; the columns of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({n: f"{v:.6g}" if isinstance(v, float) else v for n, v in row.items()})
    return text.getvalue()


def from_csv(text: str) -> list[Row]:
    """The inverse of `to_csv`. Raises ValueError where there is no row or a field is missing."""
    rows = [{name: _value(field) for name, field in row.items()} for row in _rows(text)]
    if not rows:
        raise ValueError("there is no measurement in it")
    return rows


def _rows(text: str):
    try:
        for row in csv.DictReader(io.StringIO(text)):
            if None in row or None in row.values():
                raise ValueError(f"this row has too few or too many fields: {list(row.values())}")
            yield row
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _value(field: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(field)
        except ValueError:
            continue
    return field
