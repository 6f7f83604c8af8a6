"""TensorFlow 1.15 itself, for the tests that need it."""

import os

import pytest

from ptb.experiments.original.oracle import PYTHON_VARIABLE, Oracle


@pytest.fixture(scope="session")
def oracle():
    if not os.environ.get(PYTHON_VARIABLE):
        pytest.skip(f"{PYTHON_VARIABLE} names no Python with TensorFlow 1.15")
    with Oracle() as oracle:
        yield oracle
