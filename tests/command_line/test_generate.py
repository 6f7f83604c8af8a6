import io
from types import SimpleNamespace

import pytest

from ptb.command_line.commands import generate
from ptb.serving.limits import MAX_TEXT_BYTES


def read(monkeypatch, content: bytes) -> bytes:
    monkeypatch.setattr(generate, "FLAGS", SimpleNamespace(score="-", prefix=""))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    return generate._text()


def test_a_text_to_score_is_in_the_limit_of_a_call_with_the_line_break_that_it_gets(monkeypatch):
    longest = b" " * (MAX_TEXT_BYTES - 1)
    assert len(read(monkeypatch, longest)) == MAX_TEXT_BYTES
    with pytest.raises(ValueError, match=f"more than {MAX_TEXT_BYTES - 1:,} bytes: give at most"):
        read(monkeypatch, longest + b" ")
