"""`--help` of every command can be read by itself."""

import contextlib
import importlib
import re
import sys

import pytest
from absl import flags

from ptb.command_line.commands import COMMANDS, run_command
from ptb.command_line.help import WIDTH, help_text
from ptb.experiments.studies import NAMES, every
from ptb.training.config import PRESETS


@contextlib.contextmanager
def defined(command, monkeypatch):
    """The flags of a command, and its docstring, as when it runs. Yields the names of the flags."""
    before = set(flags.FLAGS)
    for module in (importlib.import_module(COMMANDS[command][0]), every):
        for name in ("run", "run_tool"):
            monkeypatch.setattr(module, name, lambda main, **options: None, raising=False)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setattr(sys.modules["__main__"], "__doc__", "")
    try:
        run_command(command, [f"ptb {command}"])
        yield set(flags.FLAGS) - before
    finally:
        flags.FLAGS.remove_flag_values(set(flags.FLAGS) - before)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_flag_with_its_default_in_lines_that_fit(monkeypatch, command):
    with defined(command, monkeypatch) as names:
        text = help_text()
    assert text.startswith(f"usage: ptb {command} ")
    assert f"\n    ptb {command}" in text or f"\n    python3 {command}.py" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    found = re.findall(r"^  --(?:\[no\])?(\w+).*((?:\n {30}.*)+|)", text, re.M)
    entries = re.split(r"^  --(?:\[no\])?(?=\w)", text, flags=re.M)[1:]
    assert {name for name, _ in found} == names
    assert [entry for entry in entries if "Default: " not in " ".join(entry.split())] == []
    # Sorted or not, no flag leans on another: it is named if it is meant.
    assert [entry for entry in entries if re.search(r"\b(its|those|such)\b", entry, re.I)] == []


def test_the_help_of_study_names_every_study(monkeypatch):
    with defined("study", monkeypatch):
        text = help_text()
    assert [name for name in NAMES if not re.search(rf"\b{name}\b", text)] == []


def test_groups_stand_in_the_order_of_the_work_and_not_of_the_alphabet(monkeypatch):
    with defined("train", monkeypatch):
        groups = re.findall(r"^(\w+):$", help_text(), re.M)
    assert groups == ["text", "model", "training", "saving", "devices"]


def test_a_default_that_the_preset_sets_is_told_for_each_preset(monkeypatch):
    with defined("train", monkeypatch):
        text = " ".join(help_text().split())
    (hidden_size,) = re.findall(r"--hidden_size=N .*? Default: (.*?)\. --", text)
    others = [f"{name} {config.hidden_size}" for name, config in PRESETS.items() if name != "small"]
    assert hidden_size == f"{PRESETS['small'].hidden_size} ({', '.join(others)})"
