"""Starts several workers on this machine, to try --distribution=multi_worker.

    ptb launch --num_workers=2 -- train --save_path=RUN

Every worker runs the command after `--` with its own TF_CONFIG; `[worker N]` stands before each
line of output. If one worker fails, the others are stopped, and `ptb launch` exits with the status
of that worker. The workers share the cores of this machine, so training gets no faster: see
docs/scale.md.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import sys
import threading
from typing import TextIO

from absl import flags

from ptb.command_line.commands import COMMANDS
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS, fail, run
from ptb.machine.process import Children, command_of, exit_status
from ptb.machine.system import SIGKILL
from ptb.training.cluster import cluster_configs

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
    return _run(command, cluster_configs(FLAGS.num_workers))


def _run(command: list[str], configs: list[str]) -> int:
    """Starts a worker for each config; returns the exit status after all have ended."""
    with Children() as children:
        workers = [_Worker(children, command, *each) for each in enumerate(configs)]
        return _wait(workers, children)


class _Worker:
    """A worker process, and the threads that copy its output."""

    def __init__(self, children: Children, command: list[str], index: int, config: str):
        try:
            self.process = children.start(
                command,
                env={"TF_CONFIG": config, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                errors="replace",
            )
        except OSError as error:
            fail(f"{command[0]!r} cannot be started: {error.strerror}")
        streams = ((self.process.stdout, sys.stdout), (self.process.stderr, sys.stderr))
        self.copiers = [
            threading.Thread(target=_copy, args=(*each, f"[worker {index}] "), daemon=True)
            for each in streams
        ]
        for copier in self.copiers:
            copier.start()


def _copy(source: TextIO, target: TextIO, prefix: str) -> None:
    # Where nothing more can be printed, the worker learns of it by a pipe that nobody reads.
    with source, contextlib.suppress(OSError):
        for line in source:
            target.write(prefix + line.rstrip("\n") + "\n")
            target.flush()


def _wait(workers: list[_Worker], children: Children) -> int:
    """Waits for all workers; returns the exit status of the first that failed, or 0."""
    ended = queue.Queue()
    for index, worker in enumerate(workers):
        threading.Thread(
            target=lambda i=index, p=worker.process: ended.put((i, exit_status(p.wait()))),
            daemon=True,
        ).start()
    failed, signals = 0, [signal.SIGTERM, SIGKILL]
    left = len(workers)
    while left:
        try:
            index, status = ended.get(timeout=GRACE_SECONDS)
        except queue.Empty:
            # Workers that were asked to stop are saving: a second signal would end them at once.
            if failed and signals and not children.received:
                children.send(signals.pop(0))
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
