"""Answers questions by measurement. Each study leaves a CSV, a figure and a verdict in words.

    ptb study --quick                             all studies, about a minute each
    ptb study num_steps --quick                   one study; ptb study num_steps --help says more
    ptb study --out=results/studies               all in full, with an overview in OUT/README.md
    ptb study --recheck --out=results/studies     do the verdicts hold with other seeds?
    ptb study num_steps --language=zh             verdict and figure in Chinese too

The studies: batch_size, num_steps, sampling, detach, gradient_flow, memory, hidden_size, unroll,
truncation.
"""

from __future__ import annotations

import importlib
import sys

from ptb.experiments.studies import NAMES


def start() -> None:
    """Runs the study that the first argument names, or all of them."""
    name = next(iter(sys.argv[1:]), "-")
    if name.startswith("-"):
        from ptb.experiments.studies import every  # noqa: PLC0415

        every.start()
        return
    if name not in NAMES:
        print(
            f"{sys.argv[0]}: error: {name!r} is not a study: choose from {', '.join(NAMES)}",
            file=sys.stderr,
        )
        raise SystemExit(1)
    sys.argv = [f"{sys.argv[0]} {name}", *sys.argv[2:]]
    module = importlib.import_module(f"ptb.experiments.studies.{name}")
    sys.modules["__main__"].__doc__ = module.__doc__
    module.STUDY.main()
