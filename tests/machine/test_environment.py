import os
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ptb.machine.environment import machine, peak_bytes, versions, versions_in_words


def test_peak_memory_never_falls():
    before = peak_bytes()
    block = np.ones(20_000_000)
    assert peak_bytes() >= before + 0.9 * block.nbytes or before > 5e8
    del block
    assert peak_bytes() >= before


def test_the_versions_are_those_that_run():
    found = versions()
    assert found["python"] == sys.version.split()[0]
    assert (found["tensorflow"], found["keras"]) == (tf.__version__, keras.__version__)
    assert versions_in_words().startswith(
        f"Python {found['python']}, tensorflow {tf.__version__}, "
    )
    assert versions_in_words().endswith(f"numpy {np.__version__}")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to leave a core out")
def test_a_machine_has_the_cores_that_the_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine()["cores"] == 1
    finally:
        os.sched_setaffinity(0, before)
    assert machine()["cores"] == len(before)
