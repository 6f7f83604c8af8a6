"""Measures the exact perplexity of a trained model: the same as `ptb evaluate`.

`ptb/command_line/commands/evaluate.py` has the program and its examples.
"""

import ptb.command_line.ctrl_c  # noqa: F401  (first: from here on Ctrl-C is quiet)

import sys

from ptb.command_line.commands import run_command

if __name__ == "__main__":
    run_command("evaluate", sys.argv)
