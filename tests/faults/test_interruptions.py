"""kill -9, Ctrl-C and SIGTERM at random moments change no bit of what a run comes to."""

import random

import pytest

from tests.faults import harness

NUM_KILLS = 20
SHORT = "--num_epochs=2"
KILL, INTERRUPT, TERMINATE = ("kill while saving", -9), ("interrupt", 130), ("terminate", 143)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stops",
    [[KILL, INTERRUPT], [TERMINATE, KILL, TERMINATE]],
    ids=lambda stops: ", ".join(kind for kind, _ in stops),
)
def test_a_run_that_was_killed_and_stopped_ends_as_one_let_alone(tmp_path, stops):
    expected = harness.undisturbed(tmp_path / "alone", SHORT)
    harness.write_text(tmp_path)
    rng = random.Random(0)
    for kind, status in stops:
        script = harness.train(tmp_path, SHORT)
        assert harness.stop_somewhere(script, tmp_path, rng, kind)
        result = script.wait()
        assert result.returncode == status
        assert "Traceback" not in result.stderr
        if status > 0:
            assert "the run is saved" in result.stderr
            assert not harness.half_written(tmp_path)
    result = harness.train(tmp_path, SHORT).wait()
    assert "resuming" in result.stderr
    assert harness.outcome(tmp_path, result.stdout) == expected


@pytest.mark.slow
@pytest.mark.parametrize("flags", harness.KINDS_OF_RUN, ids=" ".join)
def test_twenty_kills_change_nothing(tmp_path, flags):
    kills = harness.survive(tmp_path, flags, NUM_KILLS)
    assert kills.sent == NUM_KILLS
    # A kill comes a moment after the file was seen: now and then it has been renamed by then.
    assert kills.half_written >= kills.while_saving / 2
    assert kills.identical
