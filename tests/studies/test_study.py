import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from studies import NAMES
from studies.__main__ import write_overview
from studies.measurements import from_csv, to_csv
from studies.study import Options, Study
from tests.studies.test_verdicts import truncation_rows

ROOT = Path(__file__).parents[2]


def run(module, *arguments, folder, **environment):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def draw(rows):
    from matplotlib.figure import Figure  # noqa: PLC0415

    return Figure(figsize=(1, 1))


STUDY = Study(
    name="doubling",
    question="Is twice more?",
    cases=lambda options: [{"n": n, "seed": seed} for n in (1, 2) for seed in options.seeds],
    measure=lambda case, corpus: [{"twice": 2 * case["n"]}],
    verdict=lambda rows: "yes" if all(row["twice"] > row["n"] for row in rows) else "no",
    draw=draw,
)


def test_a_row_is_the_case_and_what_was_measured_of_it():
    rows = STUDY.rows(Options(quick=True, seeds=(1, 2)), corpus=None)
    assert len(rows) == 4
    assert rows[-1] == {"n": 2, "seed": 2, "twice": 4}


def test_the_verdict_keeps_where_the_figures_came_from(tmp_path, capsys):
    provenance = ["| | |", "|---|---|", "| command | `python3 -m studies.doubling` |"]
    STUDY.report([{"n": 1, "twice": 2}], tmp_path, provenance)
    first = (tmp_path / "verdict.md").read_text()
    assert first.splitlines()[:3] == ["# Is twice more?", "", "yes"]
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    STUDY.report([{"n": 1, "twice": 0}], tmp_path, None)
    assert (tmp_path / "verdict.md").read_text() == first.replace("yes", "no")
    assert capsys.readouterr().out.count("Is twice more?") == 2


def test_the_overview_has_the_question_and_the_first_answer_of_each_study(tmp_path):
    for name in ("memory", "unroll"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.md").write_text(f"# Why {name}?\n\n**So.**\n\nMore.\n")
    write_overview(tmp_path, "python3 -m studies")
    assert (tmp_path / "README.md").read_text() == (
        "# Studies\n\n`python3 -m studies`\n"
        "\n## [Why memory?](memory/verdict.md)\n\n**So.**\n"
        "\n## [Why unroll?](unroll/verdict.md)\n\n**So.**\n"
    )


def test_every_study_has_a_name_of_its_module():
    for name in NAMES:
        module = __import__(f"studies.{name}", fromlist=["STUDY"])
        assert module.STUDY.name == name
        cases = module.STUDY.cases(Options(quick=True, seeds=(1, 2)))
        assert {case["seed"] for case in cases} == {1, 2}
        assert len(module.STUDY.cases(Options(quick=False, seeds=(1, 2)))) >= len(cases)


def test_redraw_answers_anew_from_the_csv_without_tensorflow(tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    folder = tmp_path / "out/truncation"
    folder.mkdir(parents=True)
    for cosine, said in ((0.992, "hardly wrong"), (0.8, "noticeably wrong")):
        rows = truncation_rows({5: {1: 0.5, 20: cosine, 160: 1.0}})
        (folder / "measurements.csv").write_text(to_csv(rows))
        result = run(
            "studies.truncation",
            "--redraw",
            "--out=out",
            folder=tmp_path,
            PYTHONPATH=f"{tmp_path / 'hidden'}:{ROOT}",
        )
        assert result.returncode == 0, result.stderr
        assert said in result.stdout
        assert said in (folder / "verdict.md").read_text()
        assert (folder / "figure.png").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_verdict_is_what_its_measurements_say(name):
    folder = ROOT / "results/studies" / name
    rows = from_csv((folder / "measurements.csv").read_text())
    study = importlib.import_module(f"studies.{name}").STUDY
    assert (
        (folder / "verdict.md")
        .read_text()
        .startswith(f"# {study.question}\n\n{study.verdict(rows)}\n")
    )


def test_redraw_of_another_studys_csv_is_refused_by_name(tmp_path):
    (tmp_path / "out/truncation").mkdir(parents=True)
    (tmp_path / "out/truncation/measurements.csv").write_text("cell,steps\nlstm,3\n")
    result = run("studies.truncation", "--redraw", "--out=out", folder=tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "is not the CSV of truncation: it has nothing for" in result.stderr


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--redraw", "measurements.csv: run the study without --redraw first"),
        ("--seeds=0", "flag --seeds=0"),
        ("--out=", "is empty"),
        ("--out=short.txt", "--out=short.txt cannot be written (Not a directory)"),
        ("--data_path=short.txt", "the train split has 45 tokens and a study needs 20,000"),
    ],
)
def test_a_bad_flag_ends_with_one_line(tmp_path, flag, message):
    (tmp_path / "short.txt").write_text("the cat sat on\n" * 10)
    result = run("studies.truncation", flag, folder=tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_study_runs_and_leaves_its_three_files(name, tmp_path):
    result = run(f"studies.{name}", "--quick", "--seeds=1", "--out=out", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    files = {path.name for path in (tmp_path / "out" / name).iterdir()}
    assert files == {"measurements.csv", "figure.png", "verdict.md"}
