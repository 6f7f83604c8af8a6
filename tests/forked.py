"""Runs the scripts in forks of one process that has imported the slow packages once.

Each is a process of its own, as a user would start it: with its arguments, streams, exit status,
and signals. Only the seconds that importing TensorFlow takes are shared.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import runpy
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from subprocess import CompletedProcess

ROOT = Path(__file__).parents[1]
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tensorflow", "matplotlib.figure", "tqdm", "absl.app"])
STREAMS = ("stdout", "stderr")


class Script:
    """A running script. `prepare` are functions that the process calls first."""

    def __init__(self, script: str, *arguments: str, folder: Path, prepare: Iterable = ()):
        self.arguments = (script, *arguments)
        self._streams = tempfile.TemporaryDirectory()
        for stream in STREAMS:
            (Path(self._streams.name) / stream).touch()
        self.process = CONTEXT.Process(
            target=_run,
            args=(self.arguments, folder, dict(os.environ), self._streams.name, tuple(prepare)),
        )
        self.process.start()

    @property
    def stderr(self) -> str:
        """What it has written so far, without TensorFlow's notes, which its import is told of."""
        lines = (Path(self._streams.name) / STREAMS[1]).read_text().splitlines(keepends=True)
        return "".join(line for line in lines if not re.match(r"[IWE]0000 ", line))

    def wait(self, timeout: float = 300) -> CompletedProcess:
        """Its exit status, stdout and stderr; one that takes longer is killed."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"{self.arguments} took more than {timeout} s: {self.stderr}")
        stdout = (Path(self._streams.name) / STREAMS[0]).read_text()
        result = CompletedProcess(self.arguments, self.process.exitcode, stdout, self.stderr)
        self._streams.cleanup()
        return result


def run(script: str, *arguments: str, folder: Path, prepare: Iterable[Callable] = ()):
    """The result of a script that is left alone until it ends."""
    return Script(script, *arguments, folder=folder, prepare=prepare).wait()


def one_line_error(result: CompletedProcess, program: str, *phrases: str) -> str:
    """The only line that a script wrote: its error, in which all `phrases` stand."""
    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith(f"{program}: error: ")
    assert all(phrase in lines[0] for phrase in phrases), (lines[0], phrases)
    return lines[0]


def hide_tensorflow() -> None:
    """To prepare a script with: it then cannot import TensorFlow."""
    sys.modules["tensorflow"] = None


def _run(arguments, folder, environment, streams, prepare) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, stream in enumerate(STREAMS, start=1):
        os.dup2(os.open(f"{streams}/{stream}", os.O_WRONLY | os.O_APPEND), number)
    os.chdir(folder)
    script, *arguments = arguments
    path, arguments = program(script, arguments)
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(ROOT))
    for each in prepare:
        each()
    runpy.run_path(str(path), run_name="__main__")


def program(script: str, arguments: Iterable[str] = ()) -> tuple[Path, list[str]]:
    """The file and the arguments of `train.py`, or of a command such as `ptb generate`."""
    if script.endswith(".py"):
        return ROOT / script, list(arguments)
    return ROOT / "ptb" / "__main__.py", [*script.split()[1:], *arguments]
