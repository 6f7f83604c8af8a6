"""`python3 train.py` as the README has it, from its first to its last line."""

import re

import pytest

from tests.scripts.test_train_and_evaluate import perplexity, succeed


@pytest.mark.slow
def test_the_default_run_lands_within_five_percent_of_the_floor(tmp_path):
    output = succeed("train.py", folder=tmp_path)
    floor = float(re.search(r"floor with full memory ([\d.]+)", output)[1])
    assert 1.00 <= perplexity(output) / floor <= 1.05
