"""Every command and every Python block of the pages runs, or has a reason why not.

A command is a line of an `sh` block, or a code span that begins with a program and has arguments:
`ptb generate` alone is a name. Commands run as they are written, in a folder that has what the
pages name: FILE, DIR, RUN, EXPORT and so on. REWRITES makes them small.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ptb.command_line.commands import COMMANDS
from ptb.training.config import Config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

# A pattern of commands that do not run here, and why.
NOT_RUN = {
    r"git clone|cd ptb-lm|\. \.venv|python3(\.7)? -m venv": "makes the environment of the tests",
    r"python3 -m pip|tf1/bin/pip": "installs packages; .ci/run installs the project",
    r"python3 -m pytest|ruff|mypy|bash \.ci/run": "runs these tests",
    r"mkdocs serve|ptb serve": "serves until it is stopped; tests/serving/test_demo.py",
    r"curl ": "asks a page that is being served; tests/serving/test_demo.py",
    r".* --help$": "prints a text; tests/command_line",
    r"nvidia-smi|ptb check --device": "needs a GPU or minutes; tests/experiments/benchmarks",
    r"export PTB_TF1|ptb original|ptb .*tf1_block": "needs Python 3.7; tests/experiments/original",
    r"ptb benchmark --(model|paths)": "takes minutes; .ci/run runs it with --model=test",
    r"ptb study": "takes minutes; .ci/run runs every study with --quick",
    r"ptb (record|verify)": "takes minutes; .ci/run makes a record and verifies it",
    r"ptb explain --inside$": "names a flag; with its run and text it is run",
    r"TF_CONFIG=": "needs two machines; tests/scripts/test_launch.py",
    r"#!/bin/sh": "a script for Slurm",
    r"python3 train.py --data_path=text8": "needs a file of 100 MB; tests/data/test_standard.py",
}
# What makes a command small, or replaces a download: the text that is made for the tests.
REWRITES = [
    (r"--model=\w+", "--model=test"),
    (r"^((?!.*--model).*\btrain(\.py)?\b.*)$", r"\1 --model=test"),
    (r"--dataset=(ptb\w*|tfds:\S+)", "--data_path=DIR"),
    (r"--num_epochs=\d+", "--num_epochs=2"),
    (r"^(ptb benchmark .*)$", r"\1 --seconds=0.1"),
    (r"^(ptb benchmark (?!.*--export_path).*)$", r"\1 --rounds=1"),
    (r"--png=FILE", "--png=FILE.png"),
]
# The tests that run the Python blocks of a page.
PYTHON = {
    "index.md": "tests/test_api.py",
    "batch_size_and_num_steps.md": "tests/docs/test_docs.py",
    "batch_size_and_num_steps.zh.md": "tests/docs/test_docs.py",
    "from_tf1.md": "tests/docs/test_from_tf1.py",
    "serving.md": "below",
}
FOREIGN_FLAGS = {"golden_dir", "help", "helpshort", "nodes", "ntasks", "strict"}
PROGRAM = re.compile(r"(python3|ptb|mkdocs|bash|git) \S")
LINES = [
    "the company said the cat sat on the mat",
    "the cat said it was in the house",
    "the company was in the end the same",
]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def commands_of(page):
    found = []
    for block in blocks(page, "sh"):
        if block.startswith("#!"):
            found.append(block)
            continue
        lines = block.replace("\\\n", " ").splitlines()
        lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
        found += [each.strip() for line in lines if line for each in line.split("&&")]
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    for span in spans:
        if PROGRAM.match(span) and not re.fullmatch(r"(ptb|python3) [\w.]+", span):
            found += [each.strip() for each in span.split("&&")]
    return found


ALL = list(dict.fromkeys(command for page in PAGES for command in commands_of(page)))


def reason(command):
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, command)), None)


RUN = [command for command in ALL if reason(command) is None]


def small(command):
    """The command as REWRITES has it."""
    for pattern, replacement in REWRITES:
        command = re.sub(pattern, replacement, command)
    return command


def test_every_command_names_a_program_of_this_project_or_has_a_reason_not_to_run():
    for command in RUN:
        program, name, *_ = command.split()
        if program == "ptb":
            assert name in COMMANDS, command
        else:
            assert program == "python3", command
            assert name in ("train.py", "evaluate.py", "-c"), command


def test_every_reason_not_to_run_belongs_to_a_command():
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in ALL), pattern


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_flag_that_a_page_names_exists(page):
    known = {field.name for field in dataclasses.fields(Config)} | FOREIGN_FLAGS
    for source in (ROOT / "ptb").rglob("*.py"):
        known |= set(re.findall(r'"(\w+)"', source.read_text("utf-8")))
    code = re.findall(r"```.*?```|`[^`]*`", page.read_text("utf-8"), re.S)
    named = {name for each in code for name in re.findall(r"(?<![\w-])--(\w+)", each)}
    unknown = {name for name in named - known if name.removeprefix("no") not in known}
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_every_page_is_run_by_a_test(page):
    assert bool(blocks(page, "python")) == (page.name in PYTHON)


def shell(command, folder):
    """The result of a command as a user types it, in a folder, with a text as standard input."""
    environment = os.environ | {
        "PATH": f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        input="\n".join(LINES),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def succeed(command, folder):
    done = shell(command, folder)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the files that the pages name."""
    root = tmp_path_factory.mktemp("pages")
    (root / "bin").mkdir()
    for program, start in (("python3", ""), ("ptb", " -m ptb")):
        (root / "bin" / program).write_text(f'#!/bin/sh\nexec "{sys.executable}"{start} "$@"\n')
        (root / "bin" / program).chmod(0o755)
    folder = root / "made"
    for name in ("DIR", "FOLDER"):
        (folder / name).mkdir(parents=True)
    text = "".join(f"{line}\n" for line in LINES)
    for split in ("train", "valid", "test"):
        (folder / "DIR" / f"{split}.txt").write_text(text * 20)
        (folder / "FOLDER" / f"wiki.{split}.tokens").write_text(text * 20)
    for name in ("FILE", "A.txt", "B.txt"):
        (folder / name).write_text(f"{text}\n" * 200)  # a blank line after each paragraph
    for name in ("train.py", "evaluate.py", "results", "docs"):
        (folder / name).symlink_to(ROOT / name)
    succeed("python3 train.py --model=test --data_path=DIR --save_path=RUN", folder)
    succeed("ptb export --save_path=RUN --export_path=EXPORT", folder)
    succeed("ptb export --save_path=RUN --write_tutorial_checkpoint=PREFIX", folder)
    succeed("ptb vectors --save_path=RUN --out=vectors.txt", folder)
    shutil.copytree(folder / "RUN", folder / "FOLDER" / "run")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    (tmp_path / "bin").symlink_to(made.parent / "bin")
    return shutil.copytree(made, tmp_path / "folder", symlinks=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", dict.fromkeys(map(small, RUN)))
def test_a_command_of_a_page_runs(command, folder):
    makes_a_run = re.search(r"\btrain(\.py)?\b", command) and "--change" not in command
    if makes_a_run and "--save_path=RUN" in command:
        shutil.rmtree(folder / "RUN")
    if "--write_tutorial_checkpoint=PREFIX" in command:
        for file in folder.glob("PREFIX.*"):
            file.unlink()
    succeed(command, folder)


@pytest.mark.slow
def test_the_python_of_the_page_of_serving_asks_and_converts_an_export(folder):
    client, code = blocks(ROOT / "docs/serving.md", "python")
    (folder / "client.py").write_text(client)
    assert len(succeed("python3 client.py", folder).stdout.splitlines()) == 2
    (folder / "convert.py").write_text(code + "open('model.tflite', 'wb').write(model)\n")
    succeed("python3 convert.py", folder)
    assert (folder / "model.tflite").stat().st_size > 0
