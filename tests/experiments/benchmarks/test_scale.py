import os

import pytest

from ptb.experiments.benchmarks import scale


def test_workers_run_on_cores_that_this_process_may_use(monkeypatch):
    cores = []

    def team(distribution, config, of_workers):
        cores.append(of_workers)
        if len(cores) == 3:
            raise InterruptedError

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {7, 5, 3})
    monkeypatch.setattr(scale, "Team", team)
    with pytest.raises(InterruptedError):
        scale._measure_pair("small", times=1)
    assert cores == [["3"], ["3"], ["3", "5"]]
