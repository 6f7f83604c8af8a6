"""Streams in the state that a caller may leave them in, seen by a process of its own."""

import os
import subprocess
import sys

import pytest

from tests.forked import ROOT

PRINT = (
    "import sys\n"
    "from ptb.command_line.streams import OUTPUT, discard_output, prepare_streams\n"
    "prepare_streams()\n"
    "try:\n"
    "    print('é中', flush=True)\n"
    "    print('ü', sys.stdin.read(), file=sys.stderr, flush=True)\n"
    "    opened = open('opened', 'w')\n"
    "    assert opened.fileno() > 2\n"
    "except OSError as error:\n"
    "    assert error.filename == OUTPUT\n"
    "    discard_output()\n"
    "    raise SystemExit(7)\n"
)


def print_in(folder, redirections, **environment):
    return subprocess.run(
        ["sh", "-c", f"{sys.executable} -c '{PRINT.replace(chr(39), chr(34))}' {redirections}"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "stdout", "stderr"),
    [
        ("ascii", rb"\xe9\u4e2d", rb"\xfc "),
        ("latin-1", b"\xe9\\u4e2d", b"\xfc "),
        ("utf-8", "é中".encode(), "ü ".encode()),
    ],
)
def test_what_an_encoding_lacks_is_an_escape(tmp_path, encoding, stdout, stderr):
    result = print_in(tmp_path, "</dev/null", PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stdout.strip(), result.stderr.strip(b"\n")) == (
        0, stdout, stderr,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("redirections", "stdout"),
    [("<&-", "é中\n"), (">&- </dev/null", ""), ("2>&- <&-", "é中\n"), ("<&- >&- 2>&-", "")],
)
def test_a_closed_stream_stops_nothing(tmp_path, redirections, stdout):
    result = print_in(tmp_path, redirections, PYTHONIOENCODING="utf-8")
    assert (result.returncode, result.stdout.decode()) == (0, stdout), result.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_error_of_printing_names_the_output(tmp_path, unbuffered):
    for redirections in (">/dev/full </dev/null", "2>/dev/full </dev/null"):
        assert print_in(tmp_path, redirections, PYTHONUNBUFFERED=unbuffered).returncode == 7
