"""`--distribution`: the workers of a run, and the strategy of TensorFlow that joins them.

TensorFlow is imported late, so that errors are reported at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ptb.machine.system import STOP_SIGNALS, restore_handlers
from ptb.machine.untrusted import parse_json

# Machines of a cluster may start minutes apart.
START_SECONDS = 600
# The name of a container may be known only after it has started.
OWN_NAME_SECONDS = 60
READY, START = b"ready %d\n", b"start\n"
HELLO_SECONDS, RETRY_SECONDS = 5, 0.2
EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class WorkerLost(RuntimeError):
    """Another worker ended or stopped responding."""


@dataclass(frozen=True)
class Cluster:
    """The workers of a run, from `TF_CONFIG`, and which of them this process is.

    `tasks` has the job, the index in it and the address of each; the first is the chief, which
    writes all files. `index` is this process's place in it.
    """

    tasks: tuple[tuple[str, int, str], ...]
    index: int

    @classmethod
    def from_environment(cls) -> Cluster:
        """Reads `TF_CONFIG`. Raises ValueError if it is missing or invalid."""
        text = os.environ.get("TF_CONFIG", "")
        try:
            config = parse_json(text)
            jobs, task = config["cluster"], config["task"]
            if not all(type(addresses) is list for addresses in jobs.values()):
                raise TypeError
            tasks = tuple(
                (job, index, address)
                for job in ("chief", "worker")
                for index, address in enumerate(jobs.get(job, []))
            )
            addresses = [address for _, _, address in tasks]
            if set(jobs) - {"chief", "worker"} or not all(map(_is_address, addresses)):
                raise ValueError
            if len(set(addresses)) < len(addresses):
                raise ValueError
            names = [task[:2] for task in tasks]
            return cls(tasks, names.index((task["type"], _index(task["index"]))))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(
                f"--distribution=multi_worker needs TF_CONFIG, and it is {text[:200]!r}: set it as "
                f"{EXAMPLE}, or start with ptb launch"
            ) from None

    def check_port(self) -> None:
        """Raises ValueError if this worker's port cannot be opened."""
        self._listen().close()

    def wait_for_all(self) -> None:
        """Waits until every worker has called it. Raises ValueError after START_SECONDS.

        TensorFlow waits for workers too, but no signal ends that wait.
        """
        deadline = time.monotonic() + START_SECONDS
        if self.is_chief:
            self._gather(deadline)
        else:
            self._report(deadline)

    def _gather(self, deadline: float) -> None:
        """Waits until every other worker has connected, then tells all of them to start."""
        ready: dict[int, socket.socket] = {}
        with contextlib.ExitStack() as cleanup:
            server = cleanup.enter_context(self._listen())
            self._check_own_address()
            others = range(1, len(self.tasks))
            while True:
                missing = [index for index in others if index not in ready]
                # All are there: a moment shows whether one of them has ended meanwhile.
                end = deadline if missing else time.monotonic() + RETRY_SECONDS
                readable = _readable([server, *ready.values()], end)
                if not readable and missing:
                    raise ValueError(self._absent(missing[0]))
                if not readable:
                    break
                # A worker that is ready says nothing more until it ends.
                ready = {i: each for i, each in ready.items() if each not in readable}
                if server in readable:
                    connection = cleanup.enter_context(server.accept()[0])
                    connection.settimeout(HELLO_SECONDS)
                    said = _received(connection, len(READY) + 9)
                    ready |= {index: connection for index in others if said == READY % index}
            for connection in ready.values():
                connection.sendall(START)

    def _check_own_address(self) -> None:
        """Raises ValueError if nothing answers at this first worker's address in OWN_NAME_SECONDS.

        TensorFlow's first worker connects to itself too. It would try forever, deaf to SIGTERM.
        """
        job, index, address = self.tasks[0]
        deadline = time.monotonic() + OWN_NAME_SECONDS
        while True:
            try:
                _connect(address, HELLO_SECONDS).close()
                return
            except (OSError, ValueError) as error:
                if time.monotonic() > deadline:
                    raise ValueError(
                        f"{job} {index} does not reach its own address {address} ({error}): "
                        "correct the host in TF_CONFIG, or add it to DNS or /etc/hosts"
                    ) from None
            time.sleep(RETRY_SECONDS)

    def _report(self, deadline: float) -> None:
        """Connects to the first worker, and waits for the signal to start."""
        reason = ""
        while time.monotonic() < deadline:
            try:
                with _connect(self.tasks[0][2], START_SECONDS) as connection:
                    connection.sendall(READY % self.index)
                    _readable([connection], deadline)
                    # Anything else is another program, or this one, which may connect to itself.
                    if _received(connection, len(START)) == START:
                        return
            except (OSError, ValueError) as error:
                reason = f" ({error})"
            time.sleep(RETRY_SECONDS)
        raise ValueError(self._absent(0, reason))

    def _absent(self, index: int, reason: str = "") -> str:
        job, number, address = self.tasks[index]
        return (
            f"{job} {number} at {address} has not come within {START_SECONDS} s{reason}: start it "
            "with the same TF_CONFIG, but for its index"
        )

    def _listen(self) -> socket.socket:
        """Opens this worker's port. Raises ValueError if another program uses it."""
        job, index, address = self.tasks[self.index]
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        port = int(address.rpartition(":")[2])
        try:
            return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
        except OSError as error:
            raise ValueError(
                f"the address {address} of {job} {index} in TF_CONFIG cannot be served "
                f"({error.strerror}): give another port, or stop the program that has it"
            ) from None

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def strategy(self, worker_timeout: float):
        """Waits for the other workers; returns the `MultiWorkerMirroredStrategy`.

        If a worker ends, or sends no sign of life, the others learn of it within
        `worker_timeout` seconds. Ctrl-C and SIGTERM end the process while it waits, but in the
        moment from the last worker's arrival until TensorFlow has joined them, SIGTERM does not.
        """
        import tensorflow as tf  # noqa: PLC0415

        # A sign is missed, its sender given up, and that told: a third each.
        _watch_workers(self.tasks, worker_timeout / 3)
        self.wait_for_all()
        with _signals_end_the_process():
            return tf.distribute.MultiWorkerMirroredStrategy()


def cluster_configs(num_workers: int) -> list[str]:
    """A TF_CONFIG for each worker, on free ports of the loopback interface."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(num_workers)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(len(addresses))
    ]


def mirrored_strategy(num_devices: int | None):
    """The `MirroredStrategy` over that many GPUs, or parts of this machine's processor.

    Without a number: all GPUs, or one part. Raises ValueError if there are fewer GPUs.
    """
    import tensorflow as tf  # noqa: PLC0415

    gpus, cpus = (tf.config.list_physical_devices(kind) for kind in ("GPU", "CPU"))
    if gpus and (num_devices or 1) > len(gpus):
        raise ValueError(f"num_devices={num_devices} is more than the {len(gpus)} GPUs here")
    if gpus:
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(num_devices or len(gpus))])
    parts = [tf.config.LogicalDeviceConfiguration()] * (num_devices or 1)
    tf.config.set_logical_device_configuration(cpus[0], parts)
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(len(parts))])


@contextlib.contextmanager
def lost_workers() -> Iterator[None]:
    """Turns the errors of TensorFlow for a lost worker into WorkerLost."""
    try:
        yield
    except Exception as error:
        import tensorflow as tf  # noqa: PLC0415

        signs = (
            tf.errors.UnavailableError,  # its connection broke
            tf.errors.DeadlineExceededError,  # it does not answer
            tf.errors.AbortedError,  # it was started anew
            tf.errors.FailedPreconditionError,
            tf.errors.CancelledError,  # a third worker noticed first
        )
        if not isinstance(error, signs):
            raise
        tasks = re.findall(r"/job:(\w+)/(?:replica:0/)?task:(\d+)", error.message)
        who = " ".join(tasks[0]) if tasks else "a worker"
        raise WorkerLost(f"{who} is lost ({type(error).__name__})") from error


@contextlib.contextmanager
def _signals_end_the_process() -> Iterator[None]:
    """Makes signals end the process during TensorFlow's wait, when Python's handlers cannot run.

    What is ignored stays so. TensorFlow catches SIGTERM; afterwards Python does again.
    """
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in handlers.items():
        if number != signal.SIGTERM and handler is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        restore_handlers(handlers)


def _connect(address: str, seconds: float) -> socket.socket:
    """Raises OSError, or ValueError for a host that is no name."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), seconds)


def _readable(sockets: list[socket.socket], deadline: float) -> list[socket.socket]:
    """The sockets that can be read; empty after the deadline.

    Waits in short slices: Python notices a signal only between blocking calls.
    """
    while True:
        left = max(deadline - time.monotonic(), 0)
        readable = select.select(sockets, [], [], min(left, RETRY_SECONDS))[0]
        if readable or not left:
            return readable


def _received(connection: socket.socket, size: int) -> bytes:
    """Reads the first line, at most `size` bytes; less if the connection ends."""
    line = b""
    with contextlib.suppress(OSError):
        while len(line) < size and not line.endswith(b"\n") and (more := connection.recv(1)):
            line += more
    return line


def _index(value) -> int:
    """The index of a task, which may be text in `TF_CONFIG`. Raises TypeError."""
    if type(value) is str and re.fullmatch("[0-9]{1,5}", value):
        return int(value)
    if type(value) is not int:
        raise TypeError
    return value


def _is_address(text: str) -> bool:
    """Whether the text is HOST:PORT. With a bad port TensorFlow would wait forever."""
    match = re.fullmatch(r"\S+:([0-9]{1,5})", text)
    return match is not None and 0 < int(match[1]) < 2**16


def _watch_workers(tasks, seconds: float) -> None:
    """Makes TensorFlow's coordination service, on the first task, watch all tasks."""
    # Neither is public, but it is what the strategy itself calls, with a timeout that is fixed.
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2  # noqa: PLC0415
    from tensorflow.python.eager import context  # noqa: PLC0415

    jobs = [task[0] for task in tasks]
    context.context().configure_coordination_service(
        "standalone",
        service_leader=f"/job:{jobs[0]}/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * START_SECONDS,
        heartbeat_timeout_in_ms=int(1000 * seconds),
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(name=job, num_tasks=jobs.count(job))
            for job in dict.fromkeys(jobs)
        ],
    )
