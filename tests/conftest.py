"""Options and fixtures that several test files share."""

from pathlib import Path

import pytest
import tensorflow as tf

GOLDEN_DIR = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    parser.addoption(
        "--golden_dir", type=Path, default=GOLDEN_DIR, help="folder with cells*.npz, lstm_sgd*.npz"
    )


def pytest_generate_tests(metafunc):
    """A test with an argument `golden_cells` or `golden_sgd` runs once for each such file."""
    folder = metafunc.config.getoption("--golden_dir")
    for argument, pattern in (("golden_cells", "cells*.npz"), ("golden_sgd", "lstm_sgd*.npz")):
        if argument in metafunc.fixturenames:
            files = sorted(folder.glob(pattern))
            if not files:
                raise pytest.UsageError(f"--golden_dir={folder} has no {pattern}")
            metafunc.parametrize(argument, files, ids=[file.stem for file in files])


@pytest.fixture(autouse=True, scope="session")
def deterministic_operations():
    tf.config.experimental.enable_op_determinism()


@pytest.fixture
def penn_treebank() -> Path:
    """The folder with the licensed text, where it lies beside the project."""
    folder = Path(__file__).parents[2] / "shared" / "ptb"
    if not folder.is_dir():
        pytest.skip(f"the Penn Treebank text is not in {folder}")
    return folder
