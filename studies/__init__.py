"""Experiments that answer one question each, with a CSV, a figure and a verdict.

    python3 -m studies.NAME [--quick] [--out=DIR]     one of NAMES
    python3 -m studies [--quick] [--out=DIR]          all of them, one after the other

A study is `cases`, settings to measure; `measure`, from a setting to rows of figures; `verdict`,
from rows to words; and `draw`, from rows to a picture. `study.Study` runs it.
"""

import command_line.ctrl_c  # noqa: F401  (first: it is quiet from here on)

NAMES = (
    "batch_size",
    "num_steps",
    "sampling",
    "detach",
    "gradient_flow",
    "memory",
    "hidden_size",
    "unroll",
    "truncation",
)
