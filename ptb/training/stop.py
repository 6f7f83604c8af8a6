"""Handles Ctrl-C and SIGTERM: the first saves and stops the run, the second ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """The user stopped the run. `status` is the exit status: 128 + signal."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by signal {signal_number}")
        self.status = 128 + signal_number


class StopRequest:
    """While entered, the first signal is kept for `check`; the second one ends the process.

    Outside the main thread, it does nothing.

    Python runs a handler only between two of its own instructions, and a call of TensorFlow can
    take seconds. The operating system's handler writes each signal's number to a socket at once,
    where a thread reads it. Files are renamed into place, so leaving at any moment breaks none.
    """

    def __enter__(self) -> StopRequest:
        self._signal: int | None = None
        # Python hands signals to the main thread alone: in another one, nobody can ask.
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            self._start_listening()
        return self

    def _start_listening(self) -> None:
        self._reader, self._writer = socket.socketpair()  # Windows takes no pipe here
        self._writer.setblocking(False)
        # What is ignored, as under nohup, stays so.
        handled = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, _ignore) for number in handled}
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __exit__(self, *_) -> None:
        if not self._listens:
            return
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def check(self, max_over_workers: Callable[[int], int] = lambda number: number) -> None:
        """Raises Stopped if a signal came, here or in another worker."""
        if number := max_over_workers(self._signal or 0):
            raise Stopped(number)

    def _listen(self) -> None:
        while received := self._reader.recv(1):
            if received[0] not in SIGNALS:
                continue
            if self._signal is not None:
                os._exit(128 + received[0])
            self._signal = received[0]
            with contextlib.suppress(OSError):  # the terminal may have gone
                print("\nstopping after this window; once more leaves at once", file=sys.stderr)


def _ignore(number, frame) -> None:
    """Replaces the default handler, which would end the process or raise KeyboardInterrupt."""
