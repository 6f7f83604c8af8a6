"""The commands of `ptb`, one module each; `start()` defines the flags and runs the command.

A command is imported only when it is called, so that `ptb` alone answers at once.
"""

from __future__ import annotations

import importlib
import sys

_HERE = "ptb.command_line.commands"
_RECORDS, _BENCHMARKS = "ptb.experiments.records", "ptb.experiments.benchmarks"

# Name: the module, and what the command does.
COMMANDS = {
    "train": (f"{_HERE}.train", "train a model on a text, or resume a run"),
    "evaluate": (f"{_HERE}.evaluate", "measure the exact perplexity of a trained model"),
    "generate": (f"{_HERE}.generate", "continue a text, or score one word by word"),
    "export": (f"{_HERE}.export", "write a SavedModel that takes plain text"),
    "vectors": (f"{_HERE}.vectors", "write the word vectors of a model as text"),
    "serve": (f"{_HERE}.serve", "serve a web page that shows an exported model"),
    "explain": (f"{_HERE}.explain", "draw what a batch is, or look inside a trained model"),
    "study": (f"{_HERE}.study", "answer a question by measurement"),
    "benchmark": (f"{_HERE}.benchmark", "measure words per second, beside PyTorch and Keras"),
    "original": (
        "ptb.experiments.original.command",
        "run the tutorial in TensorFlow 1.15, and compare",
    ),
    "launch": (f"{_HERE}.launch", "start several workers on this machine"),
    "record": (f"{_RECORDS}.record", "train, evaluate, and keep the results as a record"),
    "verify": (f"{_RECORDS}.verify", "repeat a record and compare the results"),
    "table": (f"{_RECORDS}.table", "print the records of a folder as a table"),
    "runs": (f"{_RECORDS}.runs", "compare all runs below a folder, and draw their curves"),
    "curves": (f"{_RECORDS}.curves", "draw the learning curves of a folder of records"),
    "large_start": (f"{_RECORDS}.large_start", "find out why large fails with some seeds"),
    "scale": (f"{_BENCHMARKS}.scale", "measure several workers against one"),
    "check": (f"{_BENCHMARKS}.check", "check that a GPU or the CPU trains correctly"),
}


def main() -> int:
    """Runs the command that `sys.argv` names, or lists all commands."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "--helpshort", "help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        print(
            f"ptb: error: {name!r} is not a command: choose from {', '.join(COMMANDS)}",
            file=sys.stderr,
        )
        return 1
    run_command(name, [f"ptb {name}", *arguments])
    return 0


def usage() -> str:
    """The help of `ptb` alone: one line per command."""
    lines = [f"  {name:12} {line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: ptb NAME [--flag=value ...]",
            "",
            *lines,
            "",
            "ptb NAME --help: the flags of a command, with examples",
        ]
    )


def run_command(name: str, argv: list[str]) -> None:
    """Runs the command `name`, with `argv` in place of `sys.argv`."""
    module = importlib.import_module(COMMANDS[name][0])
    sys.argv = argv
    sys.modules["__main__"].__doc__ = module.__doc__  # --help shows it
    module.start()
