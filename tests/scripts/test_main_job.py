"""`python3 train.py` as the pages show it, from its first to its last line."""

import re
from pathlib import Path

import pytest

from tests.scripts.test_train_and_evaluate import perplexity, succeed

ROOT = Path(__file__).parents[2]


def without_numbers(text):
    """Its lines, with one mark for each number and one space between words."""
    return {" ".join(re.sub(r"[\d.,]+", "#", line).split()) for line in text.splitlines()}


@pytest.mark.slow
def test_the_default_run_lands_within_five_percent_of_the_floor(tmp_path):
    output = succeed("train.py", folder=tmp_path)
    floor = float(re.search(r"floor with full memory ([\d.]+)", output)[1])
    assert 1.00 <= perplexity(output) / floor <= 1.05
    for page in ("README.md", "docs/index.md"):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.M | re.S)
        shown = "".join(block for language, block in blocks if not language)
        lines = without_numbers(shown) - {"#"}  # an ellipsis
        assert {line for line in lines if not line.startswith("note:")} <= without_numbers(output)
