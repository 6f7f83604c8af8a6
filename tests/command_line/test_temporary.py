import os
import tempfile

import pytest

from ptb.command_line import temporary


@pytest.fixture
def no_folder(monkeypatch):
    def gettempdir():
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", gettempdir)


@pytest.fixture(autouse=True)
def unchanged(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", "/tmp"))


def test_a_folder_in_memory_stands_in(no_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(temporary, "MEMORY_FOLDER", str(tmp_path))
    temporary.choose_temporary_folder()
    assert tempfile.tempdir == os.environ["TMPDIR"] == str(tmp_path)


def test_without_any_folder_the_remedy_is_named(no_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(temporary, "MEMORY_FOLDER", str(tmp_path / "nowhere"))
    temporary.choose_temporary_folder()
    with pytest.raises(ValueError, match="TMPDIR"):
        temporary.check_temporary_folder()


def test_a_full_disk_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    temporary.check_temporary_folder()
    monkeypatch.setattr(temporary, "MIN_BYTES", 2**62)
    with pytest.raises(ValueError, match=f"'{tmp_path}' .*room"):
        temporary.check_temporary_folder()
