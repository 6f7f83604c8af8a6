"""A run whose files were damaged goes on bit for bit, or says in a line why it does not."""

import pytest

from tests.faults import damage, harness


@pytest.mark.slow
def test_every_damage_to_every_file_is_outlived_or_named(tmp_path):
    expected = harness.undisturbed(tmp_path / "alone")
    damage.stop_in_the_middle(tmp_path / "stopped")
    damage.stop_in_the_middle(tmp_path / "other", "--seed=2")
    outcomes = {}
    for name in damage.FILES:
        for what in (*damage.DAMAGES, None):
            folder = tmp_path / f"{name} {what and what.__name__}"
            outcomes[name, what] = damage.go_on(
                tmp_path / "stopped", folder, name, what, expected, tmp_path / "other"
            )
    for (name, what), outcome in outcomes.items():
        # Whatever else is lost can be made again, or there is an older one. What no run can have
        # made is not replaced.
        blocked = what is damage.a_directory or (name == "lock" and what is damage.a_dangling_link)
        blocked |= name == "checkpoints/best.npz" and what in (damage.a_dangling_link, None)
        if name not in ("config.json", "all checkpoints") and not blocked:
            assert outcome == "identical", (name, what)
    assert outcomes["all checkpoints", damage.bit_flipped] == "refused"
    assert outcomes["checkpoints/best.npz", None] == "refused"
    for what in damage.DAMAGES:
        assert outcomes["config.json", what] == "refused", what
