"""What `TF_CONFIG` says, before TensorFlow waits for anybody."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from ptb.training import cluster as cluster_module
from ptb.training.cluster import READY, Cluster
from tests.forked import ROOT

CLUSTER = '{"cluster": {"worker": ["h:1"]}, "task": {"type": "worker", "index": %s}}'
HOSTS = ["host0:1", "host1:2"]


def from_config(monkeypatch, cluster, job="worker", index=0):
    config = {"cluster": cluster, "task": {"type": job, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    return Cluster.from_environment()


def test_the_first_task_is_the_chief(monkeypatch):
    cluster = from_config(monkeypatch, {"worker": HOSTS}, index=1)
    assert cluster == Cluster((("worker", 0, "host0:1"), ("worker", 1, "host1:2")), 1)
    assert not cluster.is_chief
    cluster = from_config(monkeypatch, {"worker": HOSTS, "chief": ["host2:3"]}, job="chief")
    assert cluster.tasks[0] == ("chief", 0, "host2:3")
    assert cluster.is_chief


@pytest.mark.parametrize(
    ("cluster", "index"),
    [
        ({"worker": HOSTS}, 2),
        ({"worker": HOSTS}, -1),
        ({"worker": []}, 0),
        ({"worker": "host0:1"}, 0),
        ({"worker": ["host0"]}, 0),
        ({"worker": ["host0:65536"]}, 0),
        ({"worker": ["host0:\u0661"]}, 0),  # 1 in Arabic digits
        ({"worker": ["host0:1", "host0:1"]}, 0),
        ({"worker": HOSTS, "ps": ["host2:3"]}, 0),
        ({"worker": dict.fromkeys(HOSTS)}, 0),
        ({"worker": [HOSTS]}, 0),
        ([HOSTS], 0),
        ({"worker": HOSTS}, True),
        ({"worker": HOSTS}, 1.0),
        ({"worker": HOSTS}, float("inf")),
        ({"worker": HOSTS}, None),
        ({"worker": HOSTS}, "9" * 5000),
        ({"worker": HOSTS}, "\u0661"),
        ({"worker": HOSTS}, "0_1"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(monkeypatch, cluster, index):
    with pytest.raises(ValueError, match=r"TF_CONFIG.*'{.*ptb launch"):
        from_config(monkeypatch, cluster, index=index)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        "[" * 60_000,
        '{"cluster": 1e400}',
        CLUSTER % "1e400",
        CLUSTER % ("9" * 5000),
    ],
)
def test_a_text_that_is_no_cluster_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        Cluster.from_environment()


def test_a_port_that_is_in_use_is_named_before_the_wait():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        cluster = Cluster((("worker", 0, "host0:1"), ("worker", 1, f"host1:{port}")), 1)
        message = f"host1:{port} .*in use"
        with pytest.raises(ValueError, match=message):
            cluster.check_port()
    cluster.check_port()


@pytest.fixture
def clusters():
    """Three workers, each as it sees itself."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    tasks = tuple(
        ("worker", i, f"127.0.0.1:{each.getsockname()[1]}") for i, each in enumerate(sockets)
    )
    for each in sockets:
        each.close()
    return [Cluster(tasks, index) for index in range(3)]


def test_every_worker_waits_for_all_others(clusters):
    with ThreadPoolExecutor() as pool:
        waits = [pool.submit(cluster.wait_for_all) for cluster in clusters[:2]]
        assert not wait(waits, timeout=0.5).done
        # One that ends, and is started again; and another program, which says something else.
        chief = clusters[0].tasks[0][2].split(":")
        for words in (READY % 2, b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(chief) as stranger:
                stranger.sendall(words)
        assert not wait(waits, timeout=0.5).done
        waits.append(pool.submit(clusters[2].wait_for_all))
        assert [each.result(timeout=60) for each in waits] == [None] * 3


def test_a_worker_that_never_comes_is_named(clusters, monkeypatch):
    monkeypatch.setattr(cluster_module, "START_SECONDS", 0.3)
    for index, absent in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match=f"worker {absent} .*0.3 s"):
            clusters[index].wait_for_all()


UNKNOWN = "host.invalid"  # RFC 2606


@pytest.mark.parametrize("host", [UNKNOWN, "host..invalid", "h" * 64])
def test_a_host_without_an_address_is_named(clusters, monkeypatch, host):
    monkeypatch.setattr(cluster_module, "OWN_NAME_SECONDS", 0.3)
    monkeypatch.setattr(cluster_module, "START_SECONDS", 0.3)
    tasks = on_host(clusters[0].tasks, host)
    with pytest.raises(ValueError, match=f"own address {host}:.* correct the host in TF_CONFIG"):
        Cluster(tasks, 0).wait_for_all()
    with pytest.raises(ValueError, match=rf"worker 0 at {host}:\d+ has not come .* \(.*\): "):
        Cluster(tasks, 1).wait_for_all()


def on_host(tasks, host):
    """The tasks, with the first one on that host."""
    job, index, address = tasks[0]
    return ((job, index, address.replace("127.0.0.1", host)), *tasks[1:])


@pytest.mark.parametrize("host", ["127.0.0.1", UNKNOWN])
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_worker_that_waits(clusters, index, number, host):
    program = (
        "from ptb.training.cluster import Cluster\n"
        f"cluster = Cluster({on_host(clusters[0].tasks, host)}, {index})\n"
        "print('waiting', flush=True)\n"
        "cluster.wait_for_all()\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    worker.stdout.readline()
    worker.send_signal(number)
    worker.communicate(timeout=60)
    assert worker.returncode == -number


def test_python_has_its_handlers_back_after_tensorflows_wait():
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with cluster_module._signals_end_the_process():
            # Behind Python's back, as TensorFlow does.
            ctypes.pythonapi.PyOS_setsig(signal.SIGTERM, ctypes.c_void_p(1))
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
