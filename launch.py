"""Starts a cluster of workers on this machine, to try --distribution=multi_worker.

    python3 launch.py --num_workers=2 -- train.py --save_path=RUN

Every worker runs the same command with a TF_CONFIG of its own. Its lines come out with its number
before them. When one fails, the others are ended, and its exit status is that of this program. The
workers share the cores of this machine, so that they bring no speed here: see docs/scale.md.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from typing import TextIO

from absl import flags

from command_line.program import FLAGS, exit_status, fail, run
from training.cluster import cluster_configs

# A worker that lost another one has this long to say so, and as long to stop when asked to.
GRACE_SECONDS = 5


def main(command: list[str]) -> int:
    if not command:
        fail("there is no command: python3 launch.py --num_workers=2 -- train.py --save_path=RUN")
    if command[0].endswith(".py"):
        command = [sys.executable, *command]
    if not any(argument.startswith("--distribution") for argument in command):
        command = [*command, "--distribution=multi_worker"]
    workers = []
    # Before the first worker starts: none may outlive this process.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: _send(workers, number))
    try:
        for index, config in enumerate(cluster_configs(FLAGS.num_workers)):
            workers.append(_start(command, config, index))
    except OSError as error:
        _send(workers, signal.SIGKILL)
        fail(f"{command[0]!r} cannot be started: {error.strerror}")
    return _wait(workers)


def _start(command: list[str], config: str, index: int) -> subprocess.Popen:
    """A worker in a session of its own, so that Ctrl-C reaches it once: through this process."""
    worker = subprocess.Popen(
        command,
        env=os.environ | {"TF_CONFIG": config, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
    for line in source:
        target.write(prefix + line.rstrip("\n") + "\n")
        target.flush()


def _wait(workers: list[subprocess.Popen]) -> int:
    """The exit status of the first worker that failed, 0 where none did, once all have ended."""
    ended = queue.Queue()
    for index, worker in enumerate(workers):
        threading.Thread(
            target=lambda i=index, w=worker: ended.put((i, exit_status(w.wait()))), daemon=True
        ).start()
    failed, signals = 0, [signal.SIGTERM, signal.SIGKILL]
    left = len(workers)
    while left:
        try:
            index, status = ended.get(timeout=GRACE_SECONDS if failed and signals else None)
        except queue.Empty:
            _send(workers, signals.pop(0))
            continue
        left -= 1
        if status and not failed:
            failed = status
            print(f"worker {index} ended with exit status {status}", file=sys.stderr)
    for copier in (copier for worker in workers for copier in worker.copiers):
        copier.join(GRACE_SECONDS)
    return failed


def _send(workers: list[subprocess.Popen], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)


if __name__ == "__main__":
    flags.DEFINE_integer("num_workers", 2, "workers to start", 1, 64)
    run(main, takes_arguments=True)
