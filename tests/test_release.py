"""What a release is made from: one version, and an image with all that the build needs."""

import configparser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_version_and_date_are_the_same_everywhere():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\S+) - (\S+)$", changelog, re.M)
    assert setup["metadata"]["version"] == newest[1]
    assert f"\nversion: {newest[1]}\n" in citation
    assert f"\ndate-released: {newest[2]}\n" in citation


def copied_into_the_image():
    """The paths that the Dockerfile copies."""
    lines = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
    return [path for line in lines for path in line.split()]


def test_what_the_image_copies_is_let_through_by_dockerignore():
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().split()
        if line.startswith("!")
    }
    assert set(copied_into_the_image()) == allowed


@pytest.mark.slow
def test_the_package_builds_from_what_the_image_copies(tmp_path):
    source = tmp_path / "source"
    for path in copied_into_the_image():
        target = source / path
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / path).is_dir() else shutil.copy
        copy(ROOT / path, target)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [
        path.relative_to(ROOT).as_posix()
        for path in (*(ROOT / "ptb").rglob("*"), *(ROOT / "models").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert set(files) <= names


def test_the_linter_finds_nothing_in_the_dockerfile():
    done = subprocess.run(
        [Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0
