"""kill -9, Ctrl-C and SIGTERM at random moments change no bit of what a run comes to."""

import random

import pytest

from tests.faults import harness

NUM_KILLS = 20


def undisturbed(folder, *flags):
    harness.write_text(folder)
    result = harness.train(folder, *flags).wait()
    assert result.returncode == 0, result.stderr
    return harness.outcome(folder, result.stdout)


def test_a_run_that_was_killed_interrupted_and_terminated_ends_as_one_let_alone(tmp_path):
    expected = undisturbed(tmp_path / "alone")
    harness.write_text(tmp_path)
    rng = random.Random(0)
    for kind, status in (("kill while saving", -9), ("interrupt", 130), ("terminate", 143)):
        script = harness.train(tmp_path)
        assert harness.stop_somewhere(script, tmp_path, rng, kind)
        result = script.wait()
        assert result.returncode == status
        assert "Traceback" not in result.stderr
        if status > 0:
            assert "; saved: the same command goes on from there" in result.stderr
            assert not harness.half_written(tmp_path)
    result = harness.train(tmp_path).wait()
    assert "going on with run from epoch" in result.stderr
    assert harness.outcome(tmp_path, result.stdout) == expected


@pytest.mark.slow
@pytest.mark.parametrize("sampling", ["sequential", "random"])
@pytest.mark.parametrize("rnn_mode", ["static", "keras", "fused"])
def test_twenty_kills_change_nothing(tmp_path, rnn_mode, sampling):
    flags = (f"--rnn_mode={rnn_mode}", f"--sampling={sampling}")
    expected = undisturbed(tmp_path / "alone", *flags)
    harness.write_text(tmp_path)
    rng = random.Random(f"{rnn_mode} {sampling}")
    killed = {"kill": 0, "kill while saving": 0}
    half_written = 0
    for kind in rng.choices(list(killed), k=NUM_KILLS):
        script = harness.train(tmp_path, *flags)
        killed[kind] += harness.stop_somewhere(script, tmp_path, rng, kind)
        script.wait()
        half_written += bool(harness.half_written(tmp_path))
    assert sum(killed.values()) == NUM_KILLS
    assert half_written >= killed["kill while saving"] / 2
    result = harness.train(tmp_path, *flags).wait()
    assert result.returncode == 0, result.stderr
    assert not harness.half_written(tmp_path)
    assert harness.outcome(tmp_path, result.stdout) == expected
