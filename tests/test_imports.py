"""Imports run one way, and a wheel holds two packages."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[1]
# From the top down. Packages of one line do not know each other.
LAYERS = [
    ["ptb.command_line.commands"],
    ["ptb.experiments"],
    ["ptb.command_line"],
    ["ptb.serving", "ptb.explain"],
    ["ptb.runs"],
    ["ptb.training"],
    ["models", "ptb.data"],
    ["ptb.machine"],
]
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
FILES = sorted(path for package in ("ptb", "models") for path in (ROOT / package).rglob("*.py"))


def room(module):
    """The package of LAYERS that a module is in; None for any other."""
    found = [name for name in LEVEL if f"{module}.".startswith(f"{name}.")]
    return max(found, key=len, default=None)


def imported(path):
    """The modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_from_its_own_room_and_those_below(path):
    own = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own is None:  # `import ptb` and `python3 -m ptb` open all rooms
        return
    for module in imported(path):
        other = room(module)
        assert other in (None, own) or LEVEL[other] > LEVEL[own], f"{own} imports {module}"


def test_two_packages_are_installed():
    found = find_packages(str(ROOT), include=["models*", "ptb*"])
    assert {name.partition(".")[0] for name in found} == {"models", "ptb"}
    folders = {path.parent for path in FILES}
    assert {ROOT.joinpath(*name.split(".")) for name in found} == folders


def test_import_ptb_starts_no_framework():
    code = "import sys, ptb; print(*{'tensorflow', 'keras', 'numpy', 'absl'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
