"""How one side of the benchmark is timed. The clock is made up."""

from types import SimpleNamespace

import pytest

from ptb.experiments.benchmarks import worker


class Side:
    """Trains a window in `window` seconds, after `call` seconds of each call."""

    config = SimpleNamespace(batch_size=20, num_steps=10)

    def __init__(self, window, call):
        self.now, self.calls, self._seconds = 0.0, [], (window, call)

    def train(self, first, windows):
        window, call = self._seconds
        self.calls.append((first, windows))
        self.now += call + windows * window


@pytest.mark.parametrize(("window", "call"), [(0.05, 0.044), (0.0005, 0.044), (3.0, 3.4)])
def test_training_is_timed_in_one_call_after_windows_that_do_not_count(monkeypatch, window, call):
    side = Side(window, call)
    monkeypatch.setattr(worker.time, "perf_counter", lambda: side.now)
    answer = worker.train(side, 5.0, first=7)
    *warming_up, (_, counted) = side.calls
    assert answer["words"] == counted * 200
    assert answer["seconds"] == pytest.approx(call + counted * window)
    assert counted == worker.LEAST_WINDOWS or 4 <= answer["seconds"] <= 5.5
    assert warming_up[:2] == [(7, 1), (8, 1)]
    # The windows follow each other, and so do the turns.
    starts = [first for first, _ in side.calls]
    assert starts[1:] == [first + windows for first, windows in side.calls[:-1]]
    assert answer["windows"] == sum(windows for _, windows in side.calls)
