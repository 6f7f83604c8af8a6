import pytest

from tests.faults import disk


@pytest.mark.slow
def test_a_run_outlives_a_time_in_which_no_checkpoint_could_be_written(tmp_path):
    assert disk.survive_limit(tmp_path)


@pytest.mark.slow
def test_a_run_outlives_a_disk_that_is_full_again_and_again(tmp_path):
    said = disk.survive_full_disk(tmp_path)
    if said is None:
        pytest.skip("nobody may mount a disk here")
    assert all("No space left on device" in line for line in said)
