import os

import pytest

from ptb.command_line.flag_files import MAX_BYTES, expand_flag_files


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_lines_of_a_file_stand_in_its_place(folder):
    (folder / "outer").write_text("# a comment\n--b=1\n\n  --flagfile=inner  \n// another\n--d\n")
    (folder / "inner").write_text("--c=é e\n")
    expanded = expand_flag_files(["--a", "--flagfile=outer", "-flagfile", "inner", "--z"])
    assert expanded == ["--a", "--b=1", "--c=é e", "--d", "--c=é e", "--z"]


def test_what_follows_two_dashes_is_another_programs(folder):
    assert expand_flag_files(["--", "--flagfile=nowhere"]) == ["--", "--flagfile=nowhere"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "codec can't decode"),
        (b"--flagfile=file", "it names itself"),
        (b"--flagfile=other\n", "it names itself"),
        (b"#" * (MAX_BYTES + 1), "larger than 1,000,000 bytes"),
    ],
)
def test_a_file_that_cannot_be_flags_is_refused(folder, content, message):
    (folder / "file").write_bytes(content)
    (folder / "other").write_text("--flagfile=file")
    with pytest.raises(ValueError, match=message):
        expand_flag_files(["--flagfile=file"])


def test_files_that_name_others_again_and_again_stay_small_together(folder):
    for i in range(40):
        (folder / str(i)).write_text(f"--flagfile={i + 1}\n" * 2)
    (folder / "40").write_text("--a\n" * 1000)
    with pytest.raises(ValueError, match="larger"):
        expand_flag_files(["--flagfile=0"])


def test_only_a_regular_file_is_read(folder):
    os.mkfifo(folder / "fifo")
    for name in ("fifo", "/dev/zero", "."):
        with pytest.raises(ValueError, match="regular"):
            expand_flag_files([f"--flagfile={name}"])
