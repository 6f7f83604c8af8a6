"""A run whose files were damaged resumes bit for bit, or says in a line why it does not."""

import pytest

from tests.faults import damage, harness


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run that was stopped and another run, and the outcome of the first."""
    folder = tmp_path_factory.mktemp("runs")
    damage.stop_in_the_middle(folder / "stopped")
    damage.stop_in_the_middle(folder / "other", "--seed=2")
    return folder, harness.undisturbed(folder / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("name", damage.FILES)
def test_every_damage_to_a_file_is_outlived_or_named(tmp_path, runs, name):
    folder, expected = runs
    stopped, other = folder / "stopped", folder / "other"
    outcomes = {
        what: damage.go_on(stopped, tmp_path / str(i), name, what, expected, other)
        for i, what in enumerate((*damage.DAMAGES, None))
    }
    if name == "all checkpoints":
        assert outcomes[damage.bit_flipped] == "refused"
    elif name == "config.json":
        for what in damage.DAMAGES:
            assert outcomes[what] == "refused", what
    else:
        # Whatever else is lost can be made again, or there is an older one. What no run can have
        # made is not replaced.
        blocked = {
            "lock": {damage.a_directory, damage.a_dangling_link},
            "checkpoints/best.safetensors": {damage.a_directory, damage.a_dangling_link, None},
        }.get(name, {damage.a_directory})
        assert {what for what, outcome in outcomes.items() if outcome != "identical"} <= blocked
        if name == "checkpoints/best.safetensors":
            assert outcomes[None] == "refused"
