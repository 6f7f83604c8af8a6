"""Answers a question by measurement, with a CSV, a figure and a verdict.

ptb study NAME [--quick] [--out=DIR]          one study: `ptb study` alone runs them all
ptb study --out=results/studies               the full runs, and an overview, OUT/README.md
ptb study --quick                             each in about a minute
ptb study --recheck --out=results/studies     do the verdicts hold with other seeds?
ptb study NAME --language=zh                  verdict and figure in Chinese too
"""

from __future__ import annotations

import importlib
import sys

from absl import flags

from ptb.experiments.studies import NAMES

flags.disclaim_key_flags()


def start() -> None:
    """Runs the study that the first argument names, or all of them."""
    name = next(iter(sys.argv[1:]), "-")
    if name.startswith("-"):
        from ptb.experiments.studies import every  # noqa: PLC0415

        every.start()
        return
    if name not in NAMES:
        print(
            f"{sys.argv[0]}: error: there is no study {name!r}: {', '.join(NAMES)}", file=sys.stderr
        )
        raise SystemExit(1)
    sys.argv = [f"{sys.argv[0]} {name}", *sys.argv[2:]]
    module = importlib.import_module(f"ptb.experiments.studies.{name}")
    sys.modules["__main__"].__doc__ = module.__doc__
    module.STUDY.main()
