"""The Penn Treebank recurrent language model tutorial, in TensorFlow 2 and Keras 3.

    import ptb

    corpus = ptb.load_corpus("my_text/")          # or ptb.load_corpus(): the built-in text
    result = ptb.train(ptb.preset("small"), corpus, "run", on_epoch=print)
    result.test.perplexity

    trained = ptb.load_run("run")                 # at any later time
    ptb.evaluate(trained, corpus, split="valid").perplexity
    ptb.evaluate(trained, ptb.load_whole("other.txt", trained)).perplexity
    ptb.generate(trained, "the company", num_words=20)
    ptb.export(trained, "exported")

Each name is imported when you first use it. Call `ptb.start_tensorflow()` before anything else uses
TensorFlow: results then repeat to the bit. `ptb --help` lists the commands of the shell.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ptb.api import evaluate, export, generate, load_corpus, load_whole
    from ptb.command_line.devices import start_tensorflow
    from ptb.runs.save_options import SaveOptions
    from ptb.runs.train import open_training, train
    from ptb.runs.trained_model import load_run
    from ptb.training.config import Config, preset

_MODULES = {
    "Config": "ptb.training.config",
    "SaveOptions": "ptb.runs.save_options",
    "evaluate": "ptb.api",
    "export": "ptb.api",
    "generate": "ptb.api",
    "load_corpus": "ptb.api",
    "load_run": "ptb.runs.trained_model",
    "load_whole": "ptb.api",
    "open_training": "ptb.runs.train",
    "preset": "ptb.training.config",
    "start_tensorflow": "ptb.command_line.devices",
    "train": "ptb.runs.train",
}
__all__ = [
    "Config",
    "SaveOptions",
    "evaluate",
    "export",
    "generate",
    "load_corpus",
    "load_run",
    "load_whole",
    "open_training",
    "preset",
    "start_tensorflow",
    "train",
]


def __getattr__(name: str):
    """Imports a name of the API. Raises ImportError if a user's module hides `models`."""
    if name not in _MODULES:
        raise AttributeError(f"module 'ptb' has no attribute {name!r}")
    from ptb.machine.own_models import check_own_models  # noqa: PLC0415

    check_own_models()
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
