"""Runs a function of this project in a child process: JSON goes in, JSON comes back.

    call(measure, 20)                     the one answer of `measure(20)`

    with Child(work, 20) as child:        def work(size):
        ready = child.receive()               command = yield "ready"
        answer = child.ask("train", 7)        while True:
                                                  command = yield ...

A function returns its answer; a generator yields its first answer, and one more for each command,
which is a list. Only in a child process are peak memory and the time of a first call meaningful.

Whatever the child prints goes to stderr. It imports from where this process does, but never from
the working folder, which may have a `models.py` or a `train.py` of its own. It ends with its
parent, and is killed if an answer takes longer than `seconds`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

# The folder that this project is imported from: its source tree, or site-packages.
ROOT = Path(__file__).resolve().parents[__name__.count(".")]
HOUR, GRACE_SECONDS = 3600.0, 5.0
CHILD = f"""
import json, sys
sys.path[:] = json.loads(sys.argv.pop(1))
import {__name__} as child
child.serve()
"""


class ChildFailed(RuntimeError):
    """A child ended or was killed before it answered; `reason` says why on one line."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} gave no answer: {reason}")
        self.reason = reason


class Program:
    """A process that answers each line of JSON, a command, with a line of JSON.

    `environment` is added to this process's, and `seconds` is how long each answer may take. stderr
    is passed on; if `quiet`, only its last line is kept, for the reason of a failure.

    Raises OSError if the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str = "",
        seconds: float = HOUR,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
    ):
        self._seconds, self._late = seconds, False
        self._name = name or command[0]
        self._errors = tempfile.TemporaryFile() if quiet else None  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                encoding="utf-8",
                env=os.environ | (environment or {}),
            )
        except OSError:
            if self._errors:
                self._errors.close()
            raise

    def ask(self, *command):
        """Sends a command and returns the answer. Raises ChildFailed."""
        self.send(*command)
        return self.receive()

    def send(self, *command) -> None:
        """Sends a command. If the child has ended, `receive` raises the error."""
        line = json.dumps(command, default=lambda array: array.tolist())
        with self._limit(), contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def receive(self):
        """The next answer. Raises ChildFailed."""
        with self._limit():
            line = self._process.stdout.readline()
        if line.endswith("\n"):
            with contextlib.suppress(ValueError):
                return json.loads(line)
            self._process.kill()
            raise ChildFailed(self._name, f"it answered {line.strip()[:80]!r} instead of JSON")
        self._wait()
        raise ChildFailed(self._name, self._reason())

    def stop(self) -> None:
        """Asks the child to end after its last answer."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def close(self) -> None:
        """Stops the child, and waits until it has ended; one that takes long is killed."""
        self.stop()
        self._wait()
        self._process.stdout.close()
        if self._errors:
            self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not None:
            self._process.kill()
        self.close()

    def _wait(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def _limit(self) -> Iterator[None]:
        timer = threading.Timer(self._seconds, self._kill_late)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _kill_late(self) -> None:
        self._late = True
        self._process.kill()

    def _reason(self) -> str:
        if self._late:
            return f"it took more than {self._seconds:g} s"
        if self._errors:
            self._errors.seek(0)
            if lines := self._errors.read().decode(errors="replace").strip().splitlines():
                return lines[-1]
        return f"exit status {self._process.returncode}"


class Child(Program):
    """A process that runs `function`, which must be at the top level of its module.

    `prefix` stands before the command, as `taskset` does; other options are those of `Program`.
    """

    def __init__(self, function: Callable, *arguments, prefix: Sequence[str] = (), **options):
        # -P: the working folder is not put before all others.
        command = [*prefix, sys.executable, "-P", "-c", CHILD, json.dumps(_import_path())]
        name = f"{_module_of(function)}.{function.__qualname__}"
        super().__init__(command, name, **options)
        self.send(_module_of(function), function.__qualname__, arguments)


def call(function: Callable, *arguments, **options):
    """Calls `function(*arguments)` in a child; `options` as for `Child`.

    Raises ChildFailed.
    """
    with Child(function, *arguments, **options) as child:
        return child.receive()


def serve() -> None:
    """Runs in the child: calls the function named in the first line, and answers the commands."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def send(answer) -> None:
        print(json.dumps(answer, default=lambda array: array.tolist()), file=answers, flush=True)

    module, name, arguments = json.loads(sys.stdin.readline())
    result = getattr(importlib.import_module(module), name)(*arguments)
    if not inspect.isgenerator(result):
        send(result)
        return
    send(next(result))
    for line in sys.stdin:
        send(result.send(json.loads(line)))


def _import_path() -> list[str]:
    here = os.path.realpath(os.curdir)
    path = [each for each in map(os.path.realpath, sys.path) if each != here]
    return path if str(ROOT) in path else [str(ROOT), *path]


def _module_of(function: Callable) -> str:
    """The import name of a function's module, even if that module runs as the main program."""
    if function.__module__ == "__main__":
        return sys.modules["__main__"].__spec__.name
    return function.__module__
