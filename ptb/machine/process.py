"""Starts other processes of this program, and hands signals on to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from ptb.machine.system import handle_stop_signals, restore_handlers, send_signal

PROGRAM = Path(__file__).parents[1] / "__main__.py"

# The environment of a child whose output is read: it writes UTF-8, whatever the console has.
UTF_8 = {"PYTHONIOENCODING": "utf-8"}


def command_of(name: str, *arguments: str) -> list[str]:
    """The command line that starts `ptb NAME` from any folder."""
    return [sys.executable, str(PROGRAM), name, *arguments]


def exit_status(returncode: int) -> int:
    """The exit status of a child process as in a shell: 128 + the signal that killed it."""
    return returncode if returncode >= 0 else 128 - returncode


class Children:
    """Child processes. While entered, they get every signal that asks this process to stop.

    Each is in a session of its own, so that Ctrl-C reaches it once: through this process. On an
    error here they are asked to stop. What is ignored, as SIGHUP under nohup, stays so.
    `received` is the last signal, or 0.
    """

    def __init__(self):
        self._started: list[subprocess.Popen] = []
        self.received = 0

    def __enter__(self) -> Self:
        self._handlers = handle_stop_signals(self._hand_on)
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is not None and not self.received:
            self.send(signal.SIGTERM)
        restore_handlers(self._handlers)

    def start(self, command: list[str], **options) -> subprocess.Popen:
        """Starts a child; `options` as for `Popen`, in text mode. Raises OSError."""
        environment = os.environ | UTF_8 | options.pop("env", {})
        child = subprocess.Popen(
            command, env=environment, encoding="utf-8", start_new_session=True, **options
        )
        self._started.append(child)
        if self.received:  # it may have come before this child was known
            send_signal(child, self.received)
        return child

    def send(self, number: int) -> None:
        for child in self._started:
            if child.poll() is None:
                send_signal(child, number)

    def _hand_on(self, number, frame) -> None:
        self.received = number
        self.send(number)
