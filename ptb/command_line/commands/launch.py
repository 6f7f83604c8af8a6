"""Starts several workers on this machine, to try --distribution=multi_worker.

    ptb launch --num_workers=2 -- train --save_path=RUN

Every worker runs the command after `--` with its own TF_CONFIG; `[worker N]` stands before each
line of output. If one worker fails, the others are stopped, and `ptb launch` exits with the status
of that worker. The workers share the cores of this machine, so training gets no faster: see
docs/scale.md.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TextIO

from absl import flags

from ptb.command_line.commands import COMMANDS
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS, exit_status, fail, run
from ptb.machine.process import UTF_8, command_of
from ptb.machine.system import SIGKILL, send_signal
from ptb.training.cluster import cluster_configs

flags.disclaim_key_flags()

# A worker that lost another one has this long to say so, and as long to stop when asked to.
GRACE_SECONDS = 5


def main(command: list[str]) -> int:
    if not command:
        fail("the command is missing: write ptb launch --num_workers=2 -- train --save_path=RUN")
    if command[0] in COMMANDS:
        command = command_of(*command)
    elif command[0].endswith(".py"):
        command = [sys.executable, *command]
    if not any(argument.startswith("--distribution") for argument in command):
        command = [*command, "--distribution=multi_worker"]
    return Workers().run(command, cluster_configs(FLAGS.num_workers))


class Workers:
    """The worker processes. They get every signal that this process gets."""

    def __init__(self):
        self._started: list[_Worker] = []
        self._received: int | None = None
        # Before the first worker starts: none may outlive this process.
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)

    def run(self, command: list[str], configs: list[str]) -> int:
        """Starts a worker for each config; returns the exit status after all have ended."""
        for index, config in enumerate(configs):
            if self._received is not None:
                break
            try:
                worker = _start(command, config, index)
            except OSError as error:
                self.send(SIGKILL)
                fail(f"{command[0]!r} cannot be started: {error.strerror}")
            self._started.append(worker)
            if self._received is not None:  # it may have come before this worker was known
                self.send(self._received)
        return _wait(self._started, self.send) if self._started else 128 + (self._received or 0)

    def send(self, number: int) -> None:
        for worker in self._started:
            if worker.poll() is None:
                send_signal(worker, number)

    def _pass_on(self, number, frame) -> None:
        self._received = number
        self.send(number)


class _Worker(subprocess.Popen):
    """A worker process, and the threads that copy its output."""

    copiers: list[threading.Thread]


def _start(command: list[str], config: str, index: int) -> _Worker:
    """Starts a worker in a session of its own: Ctrl-C reaches it once, through this process."""
    worker = _Worker(
        command,
        env=os.environ | UTF_8 | {"TF_CONFIG": config, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    worker.copiers = [
        threading.Thread(target=_copy, args=(source, target, f"[worker {index}] "), daemon=True)
        for source, target in ((worker.stdout, sys.stdout), (worker.stderr, sys.stderr))
    ]
    for copier in worker.copiers:
        copier.start()
    return worker


def _copy(source: TextIO, target: TextIO, prefix: str) -> None:
    # Where nothing more can be printed, the worker learns of it by a pipe that nobody reads.
    with source, contextlib.suppress(OSError):
        for line in source:
            target.write(prefix + line.rstrip("\n") + "\n")
            target.flush()


def _wait(workers: list[_Worker], send: Callable[[int], None]) -> int:
    """Waits for all workers; returns the exit status of the first that failed, or 0."""
    ended = queue.Queue()
    for index, worker in enumerate(workers):
        threading.Thread(
            target=lambda i=index, w=worker: ended.put((i, exit_status(w.wait()))), daemon=True
        ).start()
    failed, signals = 0, [signal.SIGTERM, SIGKILL]
    left = len(workers)
    while left:
        try:
            index, status = ended.get(timeout=GRACE_SECONDS if failed and signals else None)
        except queue.Empty:
            send(signals.pop(0))
            continue
        left -= 1
        if status and not failed:
            failed = status
            print(f"worker {index} ended with exit status {status}", file=sys.stderr)
    for copier in (copier for worker in workers for copier in worker.copiers):
        copier.join(GRACE_SECONDS)
    return failed


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("workers"):
        flags.DEFINE_integer("num_workers", 2, "Number of workers to start.", 1, 64)
    run(main, takes_arguments=True)
