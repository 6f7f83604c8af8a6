"""Every text stream of the project names its encoding: a console may have another than UTF-8.

Ruff's PLW1514 checks files. What it does not check is here: child processes and descriptors.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [file for name in ("ptb", "models", "docs") for file in sorted((ROOT / name).rglob("*.py"))]


def without_encoding(source: str) -> list[int]:
    """The lines of calls that open a text stream in the encoding of the console."""
    return [
        call.lineno
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and _is_text(call)
        if "encoding" not in {keyword.arg for keyword in call.keywords}
    ]


def _is_text(call: ast.Call) -> bool:
    named = {keyword.arg for keyword in call.keywords}
    if named & {"text", "universal_newlines"}:
        return ast.unparse(call.func).startswith(("subprocess.", "_Worker"))
    if ast.unparse(call.func) != "os.fdopen":
        return False
    return not any(isinstance(each, ast.Constant) and "b" in str(each.value) for each in call.args)


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("subprocess.run(c, text=True)", [1]),
        ("subprocess.run(c, text=True, encoding='utf-8')", []),
        ("subprocess.run(c, encoding='utf-8')", []),
        ("os.fdopen(1, 'w')", [1]),
        ("os.fdopen(1, 'wb')", []),
    ],
)
def test_a_stream_in_the_encoding_of_the_console_is_found(source, lines):
    assert without_encoding(source) == lines


def test_every_child_and_descriptor_has_an_encoding():
    found = {str(file): without_encoding(file.read_text(encoding="utf-8")) for file in FILES}
    assert {file: lines for file, lines in found.items() if lines} == {}
