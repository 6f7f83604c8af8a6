"""The flags of all studies, and loading the text that they name."""

from __future__ import annotations

import dataclasses

from absl import flags

from ptb.command_line.paths import define_path
from ptb.command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.explain.phrases import LANGUAGES

# The flags below belong to the study that is run, so that --helpshort lists them there.
flags.disclaim_key_flags()

# A study reads so much of a long text and no more, so that it ends; the built-in corpus is shorter.
MAX_TOKENS = {"train": 100_000, "valid": 12_000}
MIN_TOKENS = {"train": 20_000, "valid": 3_000}
QUICK_SEEDS = 5


def define_flags() -> None:
    """Defines the flags of all studies."""
    define_data_flags(save_path=False)
    define_text_flags()
    flags.DEFINE_enum(
        "language", "en", LANGUAGES, "English; or Chinese too: verdict.zh.md and figure.zh.png"
    )
    flags.DEFINE_bool("quick", False, "fewer and smaller settings: about a minute on two cores")
    define_path("out", "runs/studies", "folder; each study writes to OUT/NAME")
    flags.DEFINE_integer(
        "seeds",
        None,
        f"seeds of each setting (5 or 10, as the study says; with --quick 3 or {QUICK_SEEDS})",
        1,
        100,
    )
    flags.DEFINE_bool(
        "recheck", False, "measure again with other seeds: does the verdict in OUT hold?"
    )
    define_path(
        "beside", None, "OUT of another text: the verdict says which findings are the same there"
    )
    flags.DEFINE_bool("redraw", False, "measure nothing: verdict and figure from the CSV in OUT")


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
