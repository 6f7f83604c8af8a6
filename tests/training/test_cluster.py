"""What `TF_CONFIG` says, before TensorFlow waits for anybody."""

import json

import pytest

from training.cluster import Cluster

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
        ({"worker": ["host0:1", "host0:1"]}, 0),
        ({"worker": HOSTS, "ps": ["host2:3"]}, 0),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(monkeypatch, cluster, index):
    with pytest.raises(ValueError, match=r"needs TF_CONFIG, and it is '{.*launch.py$"):
        from_config(monkeypatch, cluster, index=index)


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "{}", "[" * 100_000, CLUSTER % "1e400", CLUSTER % ("9" * 5000)]
)
def test_a_text_that_is_no_cluster_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="needs TF_CONFIG"):
        Cluster.from_environment()
