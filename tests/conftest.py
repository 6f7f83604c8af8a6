"""Options and fixtures that several test files share."""

import signal
from pathlib import Path

import hypothesis
import pytest
import tensorflow as tf

from tests.replicas import mirrored

GOLDEN_DIR = Path(__file__).parent / "golden"
PTB_DIR = Path(__file__).parents[2] / "shared" / "ptb"

# No test depends on how fast a machine is.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser):
    parser.addoption(
        "--golden_dir", type=Path, default=GOLDEN_DIR, help="folder with cells*.npz, lstm_sgd*.npz"
    )
    parser.addoption(
        "--ptb_dir", type=Path, default=PTB_DIR, help="folder with the text of Penn Treebank"
    )


def pytest_configure(config):
    # Started in the background of a script, the tests would inherit that Ctrl-C is ignored.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Under nohup, that SIGHUP is. It still ends no tests, but children do not inherit that.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)
    folder = config.getoption("--golden_dir")
    if not [*folder.glob("cells*.npz"), *folder.glob("lstm_sgd*.npz")]:
        raise pytest.UsageError(f"--golden_dir={folder} has neither cells*.npz nor lstm_sgd*.npz")


def pytest_generate_tests(metafunc):
    """A test with an argument `golden_cells` or `golden_sgd` runs once for each such file."""
    folder = metafunc.config.getoption("--golden_dir")
    for argument, pattern in (("golden_cells", "cells*.npz"), ("golden_sgd", "lstm_sgd*.npz")):
        if argument in metafunc.fixturenames:
            files = sorted(folder.glob(pattern))  # none: pytest skips the test
            metafunc.parametrize(argument, files, ids=[file.stem for file in files])


@pytest.fixture(autouse=True, scope="session")
def deterministic_operations_on_two_devices():
    """The processor counts as two devices, so that replicas can be tested in this process."""
    tf.config.experimental.enable_op_determinism()
    cpu = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)


@pytest.fixture
def eagerly():
    """Functions run without being traced, which takes longer than the few windows of a test."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def two_devices() -> tf.distribute.Strategy:
    """A strategy with two replicas."""
    return mirrored(2)


@pytest.fixture
def penn_treebank(request) -> Path:
    """The folder with the licensed text, where there is one."""
    folder = request.config.getoption("--ptb_dir")
    if not folder.is_dir():
        pytest.skip(f"the Penn Treebank text is not in {folder}")
    return folder
