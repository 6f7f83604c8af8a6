"""Whether saved measurements are whole: all settings of a full or a quick run, with all seeds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from ptb.experiments.studies.measurements import Row

SEEDS = range(1, 1_000_000_000)


def are_quick(
    rows: list[Row],
    full: list[Row],
    quick: list[Row],
    may_lack: Callable[[Row], bool] = lambda case: False,
) -> bool:
    """Whether the rows have the settings of a quick run; False for those of a full one.

    Raises ValueError if they have neither, or if rows of a setting are missing.

    Args:
      full: the cases of a full run, with any seed.
      quick: those of a quick run.
      may_lack: whether a case may be younger than the rows: all of these may be missing together.
    """
    names = [name for name in full[0] if name != "seed"]
    for name in (*names, "seed"):
        if name not in rows[0]:
            raise ValueError(f"there is no column {name}")
    seeds = defaultdict(Counter)
    for row in rows:
        seeds[_setting(row, names)][row["seed"]] += 1
    _check_seeds(seeds)
    whole, younger, little = (
        {_setting(case, names) for case in cases} for cases in (full, filter(may_lack, full), quick)
    )
    if not younger & seeds.keys():
        whole -= younger
    nearest = min(whole, little, key=lambda settings: len(settings ^ seeds.keys()))
    for setting in sorted(seeds.keys() - nearest):
        raise ValueError(f"{setting} is not a setting of the study")
    for setting in sorted(nearest - seeds.keys()):
        raise ValueError(f"there is no row of {setting}")
    return nearest == little


def _setting(row: Row, names: list[str]) -> str:
    return " ".join(f"{name}={row[name]}" for name in names)


def _check_seeds(by_setting: dict[str, Counter]) -> None:
    """Raises ValueError if a seed is not a whole number or has fewer rows than another."""
    seeds = {seed: None for counts in by_setting.values() for seed in counts}
    for seed in seeds:
        if not isinstance(seed, int) or seed not in SEEDS:
            raise ValueError(f"column seed: {seed!r} is not a whole number from 1")
    for setting, counts in by_setting.items():
        most = max(counts.values())
        for seed in seeds:
            if counts[seed] < most:
                raise ValueError(f"seed {seed} has {counts[seed]} rows of {most} of {setting}")
