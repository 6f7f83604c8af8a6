import pytest

from tests.faults import inputs


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The folder of `inputs.prepare`; no test changes it."""
    folder = tmp_path_factory.mktemp("world")
    inputs.prepare(folder)
    return folder
