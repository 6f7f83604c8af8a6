import pytest

from ptb.machine.atomic_file import write_atomically, write_text_atomically


@pytest.mark.parametrize("name", ["a" * 255, "中" * 85, "😀" * 63 + "abc", "short.txt"])
def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path, name):
    assert len(name.encode()) in (255, 9)
    write_text_atomically(tmp_path / name, "old")
    write_text_atomically(tmp_path / name, "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "new"}


def test_the_temporary_file_of_a_short_name_is_called_after_it_and_the_token(tmp_path):
    seen = []
    write_atomically(tmp_path / "a.txt", lambda file: seen.append(file.name), "token")
    assert seen == [str(tmp_path / ".a.txt.token")]
