"""Trains a recurrent language model and measures its perplexity: the same as `ptb train`.

`ptb/command_line/commands/train.py` has the program, its examples and the published results.
"""

import ptb.command_line.ctrl_c  # noqa: F401  (first: from here on Ctrl-C is quiet)

import sys

from ptb.command_line.commands import run_command

if __name__ == "__main__":
    run_command("train", sys.argv)
