import os

import pytest
from absl import flags

from ptb.command_line.paths import checked_path


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checked_path("~/run") == str(tmp_path / "run")
    assert checked_path("~") == str(tmp_path)
    assert checked_path("./~/run") == "./~/run"
    assert checked_path("run~") == "run~"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gs://bucket/run", "is a URL"),
        ("file:///run", "is a URL"),
        ("~nobody-here/run", "~nobody-here is not the home folder of a user"),
        (os.fsdecode(b"run\xff"), "is not UTF-8"),
    ],
)
def test_what_is_no_path_of_this_machine_is_refused(path, message):
    with pytest.raises(ValueError, match=message):
        checked_path(path)


def test_a_user_without_a_home_has_no_tilde(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without HOME and name
    with pytest.raises(ValueError, match=r"~ .*home folder"):
        checked_path("~/run")


def test_a_path_flag_is_empty_only_if_that_means_something(parse):
    parse("--cache_dir=", "--save_path=here")
    assert (flags.FLAGS.cache_dir, flags.FLAGS.save_path) == ("", "here")
    with pytest.raises(flags.IllegalFlagValueError, match=r"--save_path=: .*empty"):
        parse("--save_path=")
