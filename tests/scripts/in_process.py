"""Runs the scripts in the process of the tests, one after the other.

TensorFlow converts the source of every function that it traces, once in a process: that is much
of the time of a short run. `tests.forked` is for what a process of its own shows.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import runpy
import sys
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import tensorflow as tf
from absl import flags

from ptb.command_line import devices
from ptb.command_line.commands import COMMANDS
from tests import forked
from tests.replicas import mirrored


def run(script: str, *arguments: str, folder: Path) -> CompletedProcess:
    """The exit status, stdout and stderr of a script; what it raises is raised."""
    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(_own_flags())
        path, arguments = forked.program(script, arguments)
        stack.enter_context(patch.object(sys, "argv", [str(path), *arguments]))
        stack.enter_context(patch.object(sys, "path", [str(forked.ROOT), *sys.path]))
        for module in map(importlib.import_module, _modules()):
            stack.enter_context(patch.object(module, "run", _run, create=True))
            stack.enter_context(patch.object(module, "run_tool", _run_tool, create=True))
            stack.enter_context(patch.object(module, "start_tensorflow", _strategy, create=True))
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(contextlib.redirect_stdout(stdout))
        stack.enter_context(contextlib.redirect_stderr(stderr))
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as exit_:
            status = exit_.code
    return CompletedProcess(arguments, status, stdout.getvalue(), stderr.getvalue())


@contextlib.contextmanager
def _own_flags():
    """The flags of a script are there while it runs."""
    before = set(flags.FLAGS)
    devices.cluster_from_flags.cache_clear()
    try:
        yield
    finally:
        flags.FLAGS.remove_flag_values([name for name in flags.FLAGS if name not in before])
        flags.FLAGS.unparse_flags()
        devices.cluster_from_flags.cache_clear()


def _modules() -> list[str]:
    """Those of the commands that are tried here."""
    return [COMMANDS[name][0] for name in ("train", "evaluate", "export")]


def _run(main) -> None:
    flags.FLAGS(sys.argv)
    main()


def _run_tool(main) -> None:
    flags.FLAGS.set_gnu_getopt(True)
    main(flags.FLAGS(sys.argv)[1:])


def _strategy() -> tf.distribute.Strategy | None:
    """That of the flags, on the devices of the tests."""
    devices.cluster_from_flags()
    if "distribution" not in flags.FLAGS or flags.FLAGS.distribution == "none":
        return None
    return mirrored(flags.FLAGS.num_devices or 1)
