"""Runs every study, each in a process of its own, and writes an overview, OUT/README.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ptb.command_line.program import FLAGS, run, typed_command, user_errors
from ptb.experiments.studies import NAMES
from ptb.experiments.studies.chinese import chinese
from ptb.experiments.studies.findings import findings
from ptb.experiments.studies.study_files import CPU_TIME, RECHECK, VERDICT, in_chinese, read_text
from ptb.experiments.studies.study_flags import check_flags, define_flags
from ptb.machine.atomic_file import write_text_atomically
from ptb.machine.own_folder import refuse_other_content
from ptb.machine.process import command_of

OVERVIEW, TITLE = "README.md", "# Studies"
HOLDS = (
    "A verdict holds if no finding is contradicted. A finding without a counterpart, or one that "
    "differs in degree or certainty only, does not count against it. It is not confirmed if most "
    "findings have no counterpart, or if there were too few other seeds."
)


# What a verdict says against itself, in both languages.
CAVEATS = re.compile(
    r"^(?:A first look|初步结果).+$|At the edge of the grid, so [^.\n]*(?:\.\d[^.\n]*)*\.|"
    r"在网格的边上，因而[^。\n]+。",  # noqa: RUF001
    re.M,
)


def main() -> int | None:
    """The exit status: 1 where a study failed."""
    with user_errors():
        check_flags()
        overview = Path(FLAGS.out) / OVERVIEW
        refuse_other_content(overview, str(overview), TITLE.encode())
    failed = []
    for name in NAMES:
        print(f"== {name}", flush=True)
        command = command_of("study", name, *sys.argv[1:])
        began = time.monotonic()
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    with user_errors():
        made_by = command_of_overview(overview)
        write_overview(overview.parent, made_by)
        if FLAGS.language == "zh":
            write_overview(overview.parent, made_by, in_chinese)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return None


def command_of_overview(path: Path) -> str:
    """The command that measured: this one, or after --recheck or --redraw the one in the file."""
    keep = (FLAGS.recheck or FLAGS.redraw) and path.exists()
    kept = re.search(r"^`(.+)`$", read_text(path), re.M) if keep else None
    return kept[1] if kept else typed_command()


def write_overview(folder: Path, command: str, of: Callable[[str], str] = str) -> None:
    """What each study in `folder` found; `of` turns the files' names into those of a language."""
    # The verdicts are in their language already.
    say = str if of is str else chinese
    lines = [TITLE, "", f"`{command}`"]
    for name in NAMES:
        path = folder / name / of(VERDICT)
        if path.exists():
            title, _, answer = read_text(path).partition("\n")
            question = title.removeprefix("# ")
            lines += ["", f"## [{question}]({name}/{of(VERDICT)})", ""]
            lines += [f"- {capital(each)}" for each in findings(answer)]
            if caveats := CAVEATS.findall(answer):
                lines += ["", " ".join(caveats)]
    # What another text says is said in English only.
    table = checked_again(folder, beside=of is str)
    lines += ["", *map(say, ["## Checked again", "", HOLDS, "", *table])]
    write_text_atomically(folder / of(OVERVIEW), "\n".join(lines) + "\n")


def checked_again(folder: Path, beside: bool) -> list[str]:
    """A table: the cost of each study, and its findings with other seeds and, `beside`, texts."""
    heads = ["study", "CPU time", "with other seeds", *["on another text"] * beside]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in NAMES:
        verdict, recheck = folder / name / VERDICT, folder / name / RECHECK
        if verdict.exists():
            text = read_text(verdict)
            cost = re.search(rf"^\| {CPU_TIME} \| (.+) \|$", text, re.M)
            seconds = cost[1] if cost else "not recorded"
            held = "not checked"
            # "**The verdict holds** with seeds 6 to 10: ..."
            if recheck.exists() and (
                outcome := re.search(r"^\*\*(The verdict .+?)\*\*(.+)$", read_text(recheck), re.M)
            ):
                held = f"[{outcome[1]}]({name}/{RECHECK}){outcome[2]}"
            cells = [name, seconds, held, *[_on_another_text(text, name)] * beside]
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def _on_another_text(verdict: str, name: str) -> str:
    """How many findings of a verdict in the folder `name` are the same on another text."""
    if not (said := re.search(r"^## On another text: .+\n\n(.+)$", verdict, re.M)):
        return "not measured"

    def link(match: re.Match) -> str:
        return f"]({os.path.normpath(Path(name) / match[1])})"

    return re.sub(r"\]\((.+?)\)", link, said[1])


def capital(finding: str) -> str:
    """The finding as a sentence of its own; one that begins with code stays."""
    return finding if "_" in finding.partition(" ")[0] else finding[0].upper() + finding[1:]


def start() -> None:
    """Defines the flags and runs the studies."""
    define_flags()
    run(main)
