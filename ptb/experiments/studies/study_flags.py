"""The flags of all studies, and loading the text that they name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from absl import flags

from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS
from ptb.command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.explain.phrases import LANGUAGES

# A study reads so much of a long text and no more, so that it ends; the built-in corpus is shorter.
MAX_TOKENS = {"train": 100_000, "valid": 12_000}
MIN_TOKENS = {"train": 20_000, "valid": 3_000}
QUICK_SEEDS = 5


def define_flags() -> None:
    """Defines the flags of all studies."""
    define_data_flags()
    define_text_flags()
    with flag_group("study"):
        flags.DEFINE_bool(
            "quick", False, "Measure fewer and smaller settings: about a minute on two cores."
        )
        define_path("out", "runs/studies", "Folder for the results; each study writes to OUT/NAME.")
        flags.DEFINE_integer(
            "seeds",
            None,
            "Number of seeds for each setting. Default: 5 or 10, depending on the study; with "
            f"--quick 2 or {QUICK_SEEDS}.",
            1,
            100,
        )
        flags.DEFINE_bool(
            "recheck",
            False,
            "Measure again with other seeds, and say whether the verdict in OUT holds. A further "
            "recheck takes further seeds, and replaces the one before. A new measurement removes "
            "it.",
        )
        define_path(
            "beside",
            None,
            "The --out folder of the same study on another text: the verdict says which findings "
            "are the same there. Default: none.",
        )
        flags.DEFINE_bool(
            "redraw", False, "Measure nothing; write verdict and figure from the CSV file in OUT."
        )
        flags.DEFINE_enum(
            "language",
            "en",
            LANGUAGES,
            "Language of verdict and figure. zh: English, and Chinese in verdict.zh.md and "
            "figure.zh.png.",
        )


def check_flags() -> None:
    """Raises ValueError for flags that exclude each other, and for a wrong --beside."""
    if FLAGS.recheck:
        for name in ("redraw", "beside"):
            if FLAGS[name].value:
                raise ValueError(f"--recheck and --{name} exclude each other: give one at a time")
    if other := other_text():
        if not other.is_dir():
            raise ValueError(f"--beside={other}: there is no such folder")
        if Path(FLAGS.out).exists() and other.samefile(FLAGS.out):
            raise ValueError(f"--beside={other} is the folder of --out: give that of another text")


def other_text() -> Path | None:
    """The folder of another text to compare with, which --beside names."""
    return Path(FLAGS.beside) if "beside" in FLAGS and FLAGS.beside else None


def load_corpus():
    """Loads the corpus, or the beginning of a long one. Raises ValueError if it is too short."""
    corpus = TextSource.from_flags().load(("train", "valid"))
    for split, minimum in MIN_TOKENS.items():
        if len(corpus.splits[split]) < minimum:
            raise ValueError(
                f"the {split} split has {len(corpus.splits[split]):,} tokens and a study needs "
                f"{minimum:,}: give a longer text"
            )
    splits = {split: corpus.splits[split][:maximum] for split, maximum in MAX_TOKENS.items()}
    return dataclasses.replace(corpus, splits=splits)
