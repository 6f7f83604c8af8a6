import os

import pytest

from ptb.machine.untrusted import parse_json, read_json, read_text


def nested(depth):
    return '{"a": [' * (depth // 2) + "]}" * (depth // 2)


def test_what_a_file_of_ours_may_say_is_read():
    values = {"a": [1, -2.5, None, True, "é", {}], "b": 10**18 - 1, "c": 1e308}
    text = '{"a": [1, -2.5, null, true, "é", {}], "b": 999999999999999999, "c": 1e308}'
    assert parse_json(text) == values
    assert parse_json(nested(20)) is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ('{"a": NaN}', "NaN"),
        ("[-Infinity]", "Infinity"),
        ("1e400", "1e400, which is too large"),
        ("-1e400", "too large"),
        (str(10**18), "an integer of 19 digits"),
        ("9" * 5000, "an integer of 5000 digits"),
        (nested(22), "nested too deep"),
        (nested(900), "nested too deep"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_numbers_beyond_a_float_and_other_shapes_are_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


def test_a_file_without_an_end_or_of_any_size_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(OSError, match="regular"):
            read_json(path)
    (tmp_path / "long").write_text(" " * 11)
    assert read_text(tmp_path / "long", 11) == " " * 11
    with pytest.raises(ValueError, match="10 bytes"):
        read_text(tmp_path / "long", 10)
