"""Handles Ctrl-C, SIGTERM and SIGHUP: the first one saves and stops the run.

A second one ends it at once where `ptb.machine.system.ends_at_once` says so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from ptb.machine.system import (
    STOP_SIGNALS,
    ends_at_once,
    handle_stop_signals,
    restore_handlers,
)


class Stopped(Exception):
    """The user stopped the run. `status` is the exit status: 128 + signal."""

    def __init__(self, signal_number: int):
        super().__init__(f"stopped by signal {signal_number}")
        self.status = 128 + signal_number


class StopRequest:
    """While entered, the first signal is kept for `check`; the second one ends the process.

    If several are entered, each of them gets the signal, and one that comes when all have theirs
    ends the process, as the module says. Outside the main thread, it does nothing.
    """

    def __enter__(self) -> StopRequest:
        self.signal: int | None = None
        # Python hands signals to the main thread alone: in another one, nobody can ask.
        self._listens = threading.current_thread() is threading.main_thread()
        if self._listens:
            LISTENER.add(self)
        return self

    def __exit__(self, *_) -> None:
        if self._listens:
            LISTENER.remove(self)

    def check(self, max_over_workers: Callable[[int], int] = lambda number: number) -> None:
        """Raises Stopped if a signal came, here or in another worker."""
        if number := max_over_workers(self.signal or 0):
            raise Stopped(number)


class _Listener:
    """Hears the signals of this process from the first request that enters to the last that leaves.

    Python runs a handler only between two of its own instructions, and a call of TensorFlow can
    take seconds. The operating system's handler writes each signal's number to a socket at once,
    where a thread reads it. Files are renamed into place, so leaving at any moment breaks none.
    """

    def __init__(self):
        self._requests: tuple[StopRequest, ...] = ()

    def add(self, request: StopRequest) -> None:
        if self._requests:
            self._requests += (request,)
        else:
            self._start(request)

    def remove(self, request: StopRequest) -> None:
        left = tuple(each for each in self._requests if each is not request)
        try:
            if not left:
                self._stop()
        finally:
            self._requests = left

    def _start(self, request: StopRequest) -> None:
        self._reader, self._writer = socket.socketpair()  # Windows takes no pipe here
        self._writer.setblocking(False)
        self._requests = (request,)
        # In this order, and the other way round at the end: no signal is lost in between.
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers = handle_stop_signals(_ignore)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        restore_handlers(self._handlers)
        signal.set_wakeup_fd(self._wakeup)
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def _listen(self) -> None:
        heard = 0.0
        while received := self._reader.recv(1):
            if received[0] not in STOP_SIGNALS:
                continue
            waiting = [request for request in self._requests if request.signal is None]
            if not waiting:
                if ends_at_once(received[0], heard):
                    os._exit(128 + received[0])
                continue
            heard = time.monotonic()
            for request in waiting:
                request.signal = received[0]
            with contextlib.suppress(OSError):  # the terminal may have gone
                print("\nstopping after this window; once more leaves at once", file=sys.stderr)


LISTENER = _Listener()  # handlers and the socket belong to the process


def _ignore(number, frame) -> None:
    """Replaces the default handler, which would end the process or raise KeyboardInterrupt."""
