"""What a study finds in its folder: whole files, damaged ones, and those of another measurement."""

import dataclasses
import json
from functools import partial
from types import SimpleNamespace

import pytest

from ptb.experiments.studies.every import write_overview
from ptb.experiments.studies.study import Study
from ptb.experiments.studies.study_files import is_unfinished, read_unfinished
from ptb.experiments.studies.whole import are_quick
from tests import forked
from tests.forked import one_line_error


def draw(rows):
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([row["half"] for row in rows])
    return figure


TINY = Study(
    name="truncation",
    question="Is twice more?",
    cases=lambda options: [{"n": n} for n in ((1,) if options.quick else (1, 2))],
    measure=lambda case, corpus, options: [
        {"seed": seed, "twice": 2 * case["n"], "half": case["n"] / 2} for seed in options.seeds
    ],
    verdict=lambda rows: f"**{'Yes' if all(row['twice'] > row['n'] for row in rows) else 'No'}**.",
    draw=draw,
    in_children=True,  # it needs no TensorFlow
    seeds=3,
    quick_seeds=3,
    min_seeds=2,
)
CSV = "n,seed,twice,half\n1,1,2,0.5\n1,2,2,0.5\n1,3,2,0.5\n2,1,4,1\n2,2,4,1\n2,3,4,1\n"
QUICK = CSV[: CSV.index("2,1,4")]


def tiny():
    from ptb.experiments.studies import study, truncation  # noqa: PLC0415

    truncation.STUDY = TINY
    study.load_corpus = lambda: SimpleNamespace(name="text", fingerprint="0" * 64, splits={})


def run(folder, *flags):
    return forked.run("ptb study truncation", "--out=out", *flags, folder=folder, prepare=[tiny])


def only_case(n):
    """The study stops, as with Ctrl-C, before it measures another case."""
    from ptb.experiments.studies import truncation  # noqa: PLC0415

    def measure(case, corpus, options):
        if case["n"] != n:
            raise KeyboardInterrupt
        return TINY.measure(case, corpus, options)

    tiny()
    truncation.STUDY = dataclasses.replace(TINY, measure=measure)


def succeed(folder, *flags):
    result = run(folder, *flags)
    assert result.returncode == 0, result.stderr


def refuse(folder, *flags_and_phrases):
    """One line with the phrases that are not flags; and every file stays as it is."""
    flags = [each for each in flags_and_phrases if each.startswith("--")]
    before = contents(folder)
    line = one_line_error(run(folder, *flags), "ptb study truncation")
    assert all(phrase in line for phrase in set(flags_and_phrases) - set(flags)), line
    assert contents(folder) == before


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture
def measured(tmp_path):
    """The folder of the study, measured in full."""
    succeed(tmp_path)
    folder = tmp_path / "out/truncation"
    assert (folder / "measurements.csv").read_text() == CSV
    return folder


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no measurement in it"),
        (b"\xff\xfe\x00junk", "is not UTF-8 (byte 0)"),
        (b"\x00\x01\x02junk\n", "there is no measurement in it"),
        (CSV.replace("n,seed", "m,seed"), "there is no column n"),
        (CSV.replace("seed", "seeds"), "there is no column seed"),
        (CSV.replace("twice", "thrice"), "there is nothing for 'twice'"),
        (CSV.replace("half", "half,third"), "line 2 has too few or too many fields"),
        (CSV.replace("2,3,4,1", "2,3,four,1"), "line 7, column twice: 'four' is not a number"),
        (CSV.replace("2,3,4,1", "2,3,,1"), "line 7, column twice: '' is not a number"),
        (CSV.replace("2,3,4,1", "2,x,4,1"), "line 7, column seed: 'x' is not a number"),
        (CSV.replace("2,3,4,1", "2,3.5,4,1"), "column seed: 3.5 is not a whole number"),
        (CSV.replace("2,3,4,1", "2,nan,4,1"), "column seed: nan is not a whole number"),
        (CSV.replace("2,3,4,1", "7,3,4,1"), "seed 3 has 0 rows of 1 of n=2"),
        (CSV.replace("\n2,", "\n7,"), "n=7 is not a setting of the study"),
        (CSV.replace("2,2,4,1\n", ""), "seed 2 has 0 rows of 1 of n=2"),
        (CSV[:-1], "line 7 is cut off"),
        (CSV[:-4], "line 7 has too few or too many fields"),
    ],
)  # fmt: skip
def test_a_damaged_csv_is_refused_by_line_or_column(tmp_path, content, said):
    path = tmp_path / "measurements.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"measurements.csv .+: restore it, or ") as raised:
        TINY.is_quick(path)
    assert said in str(raised.value)


def test_a_whole_csv_is_of_a_full_or_a_quick_run(tmp_path):
    path = tmp_path / "measurements.csv"
    for content, quick in ((CSV, False), (QUICK, True), (CSV.replace(",4,", ",nan,"), False)):
        path.write_text(content)
        assert TINY.is_quick(path) is quick


def test_a_damaged_file_of_a_folder_is_refused_wherever_it_is_read(measured):
    folder = measured.parents[1]
    damaged = CSV.replace("2,3,4,1", "2,3,four,1")
    (measured / "recheck.csv").write_text(damaged)
    (folder / "other/truncation").mkdir(parents=True)
    (folder / "other/truncation/measurements.csv").write_text(damaged)
    reason = "line 7, column twice: 'four' is not a number"
    refuse(folder, "--redraw", "out/truncation/recheck.csv", reason)
    refuse(folder, "--recheck", "out/truncation/recheck.csv", reason)
    for flags in (["--beside=other"], ["--beside=other", "--redraw"]):
        refuse(folder, *flags, "other/truncation/measurements.csv", reason)
    (measured / "measurements.csv").write_text(CSV.replace("half", "third"))
    (measured / "recheck.csv").unlink()
    refuse(folder, "--redraw", "there is nothing for 'half'")
    (measured / "measurements.csv").write_text(damaged)
    for flag in ("--redraw", "--recheck"):
        refuse(folder, flag, "out/truncation/measurements.csv", reason)
    (measured / "measurements.csv").write_text(CSV)
    (measured / "verdict.md").write_bytes(b"\xff")
    refuse(folder, "--redraw", "out/truncation/verdict.md is not UTF-8")


def test_a_damaged_line_of_what_is_unfinished_is_refused(measured):
    what = {"quick": False, "seeds": [1, 2, 3], "text": "0" * 64}
    case = {"case": '{"n": 1}', "rows": [{"seed": 1}], "tuned": [], "cpu_seconds": 1.0}
    path = measured / "unfinished.jsonl"
    last = json.dumps(case)
    for line in ("junk", "\x00\x00", "7", "{}", '{"case": 1}', "[" * 100_000, last[:-9] + "}"):
        path.write_text(f"{json.dumps(what)}\n{line}\n{last}\n")
        with pytest.raises(ValueError, match=r"line 2 of .+unfinished.jsonl is damaged: remove"):
            read_unfinished(path, what)
    refuse(measured.parents[1], "line 2 of out/truncation/unfinished.jsonl", "remove the line")
    for junk in (b"\xff\x00", b"\xff\n", f"{'[' * 100_000}\n{last}".encode()):
        path.write_bytes(junk)
        refuse(measured.parents[1], "line 1 of out/truncation/unfinished.jsonl", "remove the file")
    # What was being written when the study was killed is measured again.
    for cut in (last[:-9], "\x00\x00", "\xff"):
        path.write_text(f"{json.dumps(what)}\n{last}\n{cut}", "latin-1")
        assert list(read_unfinished(path, what)) == [case["case"]]
        assert path.read_text() == f"{json.dumps(what)}\n{last}\n"


def test_the_command_of_a_study_that_was_stopped_before_its_first_verdict_resumes_it(tmp_path):
    command = "ptb study truncation", "--out=out"
    stopped = forked.run(*command, folder=tmp_path, prepare=[partial(only_case, 1)])
    assert stopped.returncode != 0
    folder = tmp_path / "out/truncation"
    assert [path.name for path in folder.iterdir()] == ["unfinished.jsonl"]
    resumed = forked.run(*command, folder=tmp_path, prepare=[partial(only_case, 2)])
    assert resumed.returncode == 0, resumed.stderr
    assert (folder / "measurements.csv").read_text() == CSV


@pytest.mark.parametrize("version", [{}, {"version": 1}], ids=["older", "newer"])
def test_what_is_unfinished_is_known_by_its_first_line(tmp_path, version):
    path = tmp_path / "unfinished.jsonl"
    what = version | {"quick": False, "seeds": [1], "text": "0" * 64}
    path.write_text(json.dumps(what) + "\n")
    assert is_unfinished(path)
    for content in ("", "{}\n", "7\n", '{"quick": 1}\n', json.dumps(what)[:-1]):
        path.write_text(content)
        assert not is_unfinished(path)


def test_a_new_measurement_removes_the_recheck_and_the_pages_of_the_one_before(measured):
    folder = measured.parents[1]
    succeed(folder, "--recheck")
    succeed(folder, "--redraw", "--language=zh")
    old = {"recheck.csv", "recheck.md", "verdict.zh.md", "figure.zh.png"}
    stay = {"measurements.csv", "verdict.md", "figure.png"}
    assert {path.name for path in measured.iterdir()} == old | stay
    assert "recheck.md" in (measured / "verdict.md").read_text()
    succeed(folder, "--seeds=2")
    assert {path.name for path in measured.iterdir()} == stay
    assert "recheck" not in (measured / "verdict.md").read_text()


def test_flags_that_exclude_each_other_are_refused(measured):
    folder = measured.parents[1]
    (folder / "link").symlink_to("out")
    for text in ("out", "./out/", "link"):
        flag = f"--beside={text}"
        refuse(folder, flag, f"{flag.rstrip('/')} is the folder of --out".replace("=./", "="))
    refuse(folder, "--redraw", "--recheck", "--recheck and --redraw exclude each other")
    (folder / "other").mkdir()
    refuse(folder, "--recheck", "--beside=other", "--recheck and --beside exclude each other")


def test_a_quick_and_a_full_run_are_not_compared(measured):
    folder = measured.parents[1]
    full = "out/truncation/measurements.csv is of a full run, and would be compared with a quick"
    refuse(folder, "--recheck", "--quick", full)
    (folder / "other/truncation").mkdir(parents=True)
    (folder / "other/truncation/measurements.csv").write_text(QUICK)
    quick = "other/truncation/measurements.csv is of a quick run, and would be compared with a full"
    refuse(folder, "--beside=other", quick)
    refuse(folder, "--beside=other", "--redraw", quick)
    (measured / "recheck.csv").write_text(QUICK)
    refuse(folder, "--redraw", "recheck.csv is of a quick run, and would be compared with a full")
    succeed(folder, "--quick")
    refuse(folder, "--recheck", "measurements.csv is of a quick run, and would be")
    succeed(folder, "--recheck", "--quick")
    succeed(folder, "--redraw", "--beside=other")


def test_the_overview_does_without_the_outcome_of_a_recheck_that_was_cut_off(tmp_path):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/verdict.md").write_text("# Why?\n\n**So.**\n")
    (tmp_path / "memory/recheck.md").write_text("# Checked again: Why?\n")
    write_overview(tmp_path, "ptb study")
    line = "| memory | not recorded | not checked | not measured |"
    assert line in (tmp_path / "README.md").read_text()
    (tmp_path / "memory/verdict.md").write_bytes(b"# \xff")
    with pytest.raises(ValueError, match=r"memory.verdict.md is not UTF-8 \(byte 2\): restore it"):
        write_overview(tmp_path, "ptb study")


def test_an_older_measurement_may_lack_all_younger_settings_and_no_other():
    full, quick = [{"n": n} for n in (1, 2, 3, 8, 9)], [{"n": 1}]

    def check(*settings, may_lack):
        rows = [{"n": n, "seed": seed} for n in settings for seed in (1, 2)]
        return are_quick(rows, full, quick, may_lack)

    assert not check(1, 2, 3, may_lack=lambda case: case["n"] > 7)
    assert not check(1, 2, 3, 8, 9, may_lack=lambda case: case["n"] > 7)
    assert check(1, may_lack=lambda case: case["n"] > 7)
    for settings, may_lack, said in (
        ((1, 2, 3), lambda case: False, "there is no row of n=8"),
        ((1, 2, 3, 8), lambda case: case["n"] > 7, "there is no row of n=9"),
        ((1, 2, 8, 9), lambda case: case["n"] > 7, "there is no row of n=3"),
        ((1, 2, 3, 4), lambda case: case["n"] > 7, "n=4 is not a setting"),
    ):
        with pytest.raises(ValueError, match=said):
            check(*settings, may_lack=may_lack)
