"""Experiments that answer one question each, with a CSV, a figure and a verdict.

    ptb study NAME [--quick] [--out=DIR]     one of NAMES
    ptb study [--quick] [--out=DIR]          all of them, one after the other

A study is `cases`, settings to measure; `measure`, from a setting to rows of figures; `verdict`,
from rows to words; and `draw`, from rows to a picture. `study.Study` runs it.
"""

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
