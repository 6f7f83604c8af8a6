import dataclasses
import importlib
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from ptb.experiments.studies import NAMES
from ptb.experiments.studies.chinese import chinese
from ptb.experiments.studies.every import HOLDS, write_overview
from ptb.experiments.studies.findings import NONE, contradicts, paired, tally
from ptb.experiments.studies.measurements import from_csv, to_csv
from ptb.experiments.studies.study import Options, Study
from ptb.experiments.studies.study_files import check_text, cost_of, seen_seeds
from tests import forked
from tests.experiments.studies.test_chinese import left_in_english
from tests.forked import one_line_error

ROOT = Path(__file__).parents[3]


def run(name, *arguments, folder, prepare=()):
    return forked.run(f"ptb study {name}", *arguments, folder=folder, prepare=prepare)


def draw(rows):
    from matplotlib.figure import Figure  # noqa: PLC0415

    return Figure(figsize=(1, 1))


STUDY = Study(
    name="doubling",
    question="Is twice more?",
    cases=lambda options: [{"n": n, "seed": seed} for n in (1, 2) for seed in options.seeds],
    measure=lambda case, corpus, options: [{"twice": 2 * case["n"]}],
    verdict=lambda rows: (
        f"**{'Yes' if all(row['twice'] > row['n'] for row in rows) else 'No'}**: {len(rows)} rows."
    ),
    draw=draw,
    min_seeds=2,
)


def rows(seeds=(1, 2), factor=2):
    return [{"n": n, "seed": seed, "twice": factor * n} for n in (1, 2) for seed in seeds]


def test_a_row_is_the_case_and_what_was_measured_of_it(tmp_path):
    measured, tuned = STUDY.rows(Options(quick=True, seeds=(1, 2)), None, tmp_path)
    assert measured == rows()
    assert tuned == []


def test_a_study_that_was_stopped_measures_only_what_is_missing(tmp_path):
    calls = []

    def measure(case, corpus, options):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(case["n"])
        options.tuned({"learning_rate": 1.0, "valid_nats": math.inf})
        return [{"twice": math.inf}]

    study = dataclasses.replace(STUDY, measure=measure)
    options = Options(quick=True, seeds=(1, 2))
    with pytest.raises(KeyboardInterrupt):
        study.rows(options, None, tmp_path)
    with (tmp_path / "unfinished.jsonl").open("a") as file:
        file.write('{"case": "half a li')
    again = dataclasses.replace(STUDY, measure=lambda case, corpus, options: [{"twice": 0.5}])
    measured, tuned = again.rows(options, None, tmp_path)
    assert [row["twice"] for row in measured] == [math.inf, math.inf, 0.5, 0.5]
    assert cost_of(tmp_path / "unfinished.jsonl") >= 0
    assert [(row["n"], row["valid_nats"]) for row in tuned] == [(1, math.inf), (1, math.inf)]
    # Other seeds are another measurement.
    measured, _ = again.rows(Options(quick=True, seeds=(3,)), None, tmp_path)
    assert [row["twice"] for row in measured] == [0.5, 0.5]


def test_the_verdict_keeps_where_the_figures_came_from(tmp_path, capsys):
    provenance = ["| | |", "|---|---|", "| command | `ptb study doubling` |"]
    STUDY.report(rows(), tmp_path, provenance)
    first = (tmp_path / "verdict.md").read_text()
    assert first.splitlines()[:3] == ["# Is twice more?", "", "**Yes**: 4 rows."]
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    STUDY.report(rows(factor=0), tmp_path, None)
    assert (tmp_path / "verdict.md").read_text() == first.replace("Yes", "No")
    assert capsys.readouterr().out.count("Is twice more?") == 2


def test_a_verdict_of_too_few_seeds_says_so():
    assert STUDY.answer(rows(seeds=(1,))).startswith("A first look: 1 seed, and a verdict needs 2.")
    assert STUDY.answer(rows()).startswith("**Yes**")
    assert STUDY.answer(rows()).endswith("95% intervals of the mean (Student's t), over 2 seeds.")


@pytest.mark.parametrize(
    ("factor", "said"),
    [(3, "**The verdict holds** with seeds 3 to 4: 1 of 1 findings are the same."),
     (0, "**The verdict does not hold** with seeds 3 to 4: 0 of 1 findings are the same, "
         "1 contradicted.")],
)  # fmt: skip
def test_a_recheck_says_whether_the_findings_hold_with_other_seeds(tmp_path, factor, said):
    STUDY.report_recheck(rows(), rows((3, 4), factor), tmp_path, ["| | |"])
    text = (tmp_path / "recheck.md").read_text()
    assert said in text
    assert f"| Yes | {'the same' if factor else 'No'} |" in text


def test_a_recheck_that_confirms_nothing_is_no_confirmation(tmp_path):
    verdicts = {2: "**After 1, one** **After 2, two**", 3: "**After 3, three**"}
    study = dataclasses.replace(STUDY, verdict=lambda rows: verdicts[len(rows)])
    assert study.recheck(rows()[:2], rows()[:3])[2].startswith(
        "**The verdict is not confirmed** with seeds 1 to 2: 0 of 3 findings are the same, "
        "3 without a counterpart."
    )
    # A verdict needs two seeds, and so does a confirmation.
    assert "**The verdict is not confirmed** with seeds 3 to 3: 1 of 1" in "\n".join(
        STUDY.recheck(rows(), rows((3,)))
    )


def test_a_further_recheck_takes_seeds_that_neither_verdict_nor_recheck_has_seen(tmp_path):
    (tmp_path / "measurements.csv").write_text(to_csv(rows((1, 2))))
    assert seen_seeds(tmp_path) == {1, 2}
    (tmp_path / "recheck.csv").write_text(to_csv(rows((3, 4))))
    assert seen_seeds(tmp_path) == {1, 2, 3, 4}


def test_a_verdict_names_the_findings_that_other_seeds_changed(tmp_path, capsys):
    (tmp_path / "recheck.csv").write_text(to_csv(rows((3, 4), factor=0)))
    STUDY.report(rows(), tmp_path, ["| | |"])
    text = (tmp_path / "verdict.md").read_text()
    assert "## [Checked again](recheck.md)" in text
    assert "0 of 1 findings are the same, 1 contradicted." in text
    assert "| Yes | No |" in text
    (tmp_path / "recheck.csv").write_text(to_csv(rows((3, 4))))
    STUDY.report(rows(), tmp_path, ["| | |"])
    text = (tmp_path / "verdict.md").read_text()
    assert "1 of 1 findings are the same." in text
    assert "| Yes |" not in text


def test_a_verdict_says_which_findings_are_the_same_on_another_text(tmp_path):
    for name, factor in (("same", 3), ("other", 0)):
        there = tmp_path / name / "doubling"
        there.mkdir(parents=True)
        provenance = ["| | |", "|---|---|", f"| text | {name} words: train 5 tokens |"]
        (there / "measurements.csv").write_text(to_csv(rows(factor=factor)))
        STUDY.report(rows(factor=factor), there, provenance)
    lines = STUDY.beside(rows(), tmp_path / "here", tmp_path / "same/doubling")
    assert lines[0] == "## On another text: same words"
    assert lines[2] == (
        "1 of 1 findings are the same on [same words](../same/doubling/verdict.md)."
    )
    assert "| Yes | the same |" in lines
    lines = STUDY.beside(rows(), tmp_path / "here", tmp_path / "other/doubling")
    assert lines[2].startswith("0 of 1 findings")
    assert "| Yes | No |" in lines


def test_the_same_findings_are_paired_whatever_their_order():
    one, other = "**a** **b** **c**", "**c** **x** **a** **y**"
    assert paired(one, other) == [("a", "a"), ("b", "x"), ("c", "c"), ("none", "y")]
    assert paired(one, "**b**") == [("a", "none"), ("b", "b"), ("c", "none")]


def test_findings_are_paired_by_their_condition_and_then_by_their_words():
    one = "**At 5, the GRU is best** **At 20, the GRU is best** **At 20, the RNN is worst**"
    other = "**At 20, the LSTM is worst** **At 20, no network is best** **At 9, the GRU is best**"
    assert paired(one, other) == [
        ("At 5, the GRU is best", "none"),
        ("At 20, the GRU is best", "At 20, no network is best"),
        ("At 20, the RNN is worst", "At 20, the LSTM is worst"),
        ("none", "At 9, the GRU is best"),
    ]
    assert [contradicts(pair) for pair in paired(one, other)] == [False, True, True, False]
    one = "**After 2, with the state carried, 10 is enough**"
    other = (
        "**After 2, with the state reset, 10 is enough** **After 2, with the state carried, no**"
    )
    assert paired(one, other)[0][1] == "After 2, with the state carried, no"


def test_findings_on_other_sizes_are_no_counterparts():
    one = "**After the same words, batch 256 has a higher loss than batch 1**"
    other = "**After the same words, batch 64 has a higher loss than batch 1**"
    assert [NONE in pair for pair in paired(one, other)] == [True, True]
    one = "**After the same 9 updates (and words), 128 units have a lower loss than 8 units**"
    for other, alone in (("64 units have a lower loss than 8 units", True),
                         ("128 units have a higher loss than 8 units", False)):  # fmt: skip
        pairs = paired(one, f"**After the same 9 updates (and words), {other}**")
        assert [NONE in pair for pair in pairs] == ([True, True] if alone else [False])


def test_findings_on_other_networks_are_no_counterparts():
    farther = "**The gradient of the {} reaches farther back than the plain RNN's**"
    unclear = "**It is not clear whether the gradient of the {} or of the plain RNN is farther**"
    one = farther.format("GRU") + unclear.format("LSTM")
    other = unclear.format("GRU") + farther.format("LSTM")
    for pair in paired(one, other):
        assert NONE not in pair
        assert not contradicts(pair)
        assert (
            len({network for each in pair for network in ("GRU", "LSTM") if network in each}) == 1
        )
    bias = "**The gradient of the LSTM with forget bias 1 reaches farther back than the RNN's**"
    assert NONE in paired(farther.format("LSTM"), bias)[0]
    # Of the best of all networks there is one.
    (pair,) = paired("**Before training, the GRU reaches farthest**",
                     "**Before training, the LSTM reaches farthest**")  # fmt: skip
    assert contradicts(pair)


def test_a_tally_says_what_the_other_findings_are():
    pairs = [
        ("a", "a"),
        ("b", NONE),
        (NONE, "c"),
        ("d is lower", "d is slightly lower"),
        ("e is lower", "It is not clear whether e is lower"),
        ("f is lower", "f is higher"),
    ]
    assert tally(pairs, " here") == (
        "1 of 6 findings are the same here, 2 without a counterpart, 2 different in degree or "
        "certainty, 1 contradicted."
    )
    assert tally(pairs[:1]) == "1 of 1 findings are the same."
    for count in range(1, 7):
        said = f" with seeds 3 to 4: {tally(pairs[:count])}"
        assert left_in_english(chinese(said)) == []


@pytest.mark.parametrize(
    ("one", "other", "against"),
    [("larger is better", "larger is better", False),
     ("larger is better", "larger is worse", True),
     ("larger is better", "It is not clear whether larger is better", False),
     ("longer does not clearly explode it", "longer explodes it", False),
     ("10 is enough; whether 5 would be enough is not clear", "2 is enough", True),
     ("10 is enough; whether 5 would be enough is not clear", "5 is enough", False),
     ("10 is enough; whether 2 and 5 would be enough is not clear",
      "5 is enough; whether 1 would be enough is not clear", False),
     ("nothing below T 40 is enough; whether 20 would be enough is not clear",
      "T 20 is enough", False),
     ("A, T 10 is enough; whether T 5 would be enough is not clear", "B, T 5 is enough", True),
     ("After 9, 1 and 4 have the lowest loss (which of them is not clear)",
      "After 9, 1 has the lowest loss", False),
     ("After 9, batch_size 1 and 4 have the lowest loss (which of them is not clear)",
      "After 9, batch_size 4 and 20 have the lowest loss (which of them is not clear)", False),
     ("At 5, fused and loop are fastest (which of them is not clear)",
      "At 5, loop is fastest", False),
     ("At 5, fused and loop are fastest (which of them is not clear)",
      "At 5, static is fastest", True),
     ("After 9, 1 and 4 have the lowest loss (which of them is not clear)",
      "After 9, 8 has the lowest loss", True),
     ("It reaches farther than with 0, but not clearly if the share is 0.1.",
      "It reaches farther than with 0.", False),
     ("It reaches farther than with 0, but not clearly if the share is 0.1 or 0.01.",
      "It reaches less far than with 0, but not clearly if the share is 0.1.", True),
     ("60 steps back, every gradient has vanished, but not clearly for the GRU or LSTM.",
      "60 steps back, every gradient has vanished.", False),
     ("no size is clearly ahead", "no larger size has a lower loss than the next", False),
     ("no larger size has a higher loss than the next",
      "no larger size has a lower loss than the next", True),
     ("Memory grows, but not clearly with every window that is kept",
      "Memory stays about the same", True),
     ("Memory grows, but not clearly with every window that is kept",
      "Memory grows with every window that is kept", False),
     ("A reaches farthest, but not clearly at every scale", "A reaches farthest", False),
     ("A reaches farthest, but not clearly at every scale", "B reaches farthest", True),
     ("batch 4 has a slightly lower loss than batch 1",
      "batch 4 and batch 1 have about the same loss", False),
     ("batch 4 has a lower loss than batch 1",
      "the losses of batch 4 and batch 1 do not clearly differ", False)],
)  # fmt: skip
def test_findings_that_differ_in_clarity_alone_do_not_contradict(one, other, against):
    assert contradicts((one, other)) is against
    assert contradicts((other, one)) is against


def test_the_overview_has_the_question_and_the_findings_of_each_study(tmp_path):
    for name in ("memory", "unroll"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "verdict.md").write_text(
            f"# Why {name}?\n\n**So.**\n\nMore: **no more**.\n"
        )
    with (tmp_path / "unroll/verdict.md").open("a") as file:
        file.write(
            "\n## On another text: ptb\n\n1 of 2 findings are the same on [ptb](../../p/v.md).\n"
        )
        file.write("\n| CPU time | 1,234 s |\n")
    outcome = "**The verdict holds** with seeds 6 to 10: 2 of 2 findings are the same."
    (tmp_path / "unroll/recheck.md").write_text(f"# Checked again: Why?\n\n{outcome}\n")
    write_overview(tmp_path, "ptb study")
    assert (tmp_path / "README.md").read_text() == (
        "# Studies\n\n`ptb study`\n"
        "\n## [Why memory?](memory/verdict.md)\n\n- So.\n- No more\n"
        "\n## [Why unroll?](unroll/verdict.md)\n\n- So.\n- No more\n"
        f"\n## Checked again\n\n{HOLDS}\n"
        "\n| study | CPU time | with other seeds | on another text |\n|---|---|---|---|\n"
        "| memory | not recorded | not checked | not measured |\n"
        "| unroll | 1,234 s | [The verdict holds](unroll/recheck.md) with seeds 6 to 10: "
        "2 of 2 findings are the same. | 1 of 2 findings are the same on [ptb](../p/v.md). |\n"
    )


def test_the_overview_says_what_a_verdict_says_against_itself(tmp_path):
    (tmp_path / "memory").mkdir()
    caveats = [
        "A first look: 2 seeds, and a verdict needs 10.",
        "At the edge of the grid, so a better rate may exist: 0.1 RNN; GRU.",
    ]
    (tmp_path / "memory/verdict.md").write_text(
        f"# Why?\n\n{caveats[0]}\n\n**So**.\n\nThe grids spanned 1 to 2. {caveats[1]} More.\n"
    )
    write_overview(tmp_path, "ptb study")
    assert f"- So\n\n{' '.join(caveats)}\n" in (tmp_path / "README.md").read_text()


def no_studies():
    from ptb.experiments.studies import every  # noqa: PLC0415

    every.NAMES = ()


def test_the_overview_keeps_the_command_that_measured(tmp_path):
    def command(*flags):
        result = forked.run("ptb study", *flags, folder=tmp_path, prepare=[no_studies])
        assert result.returncode == 0, result.stderr
        pages = (tmp_path / "out").glob("README*.md")
        (said,) = {page.read_text().splitlines()[2] for page in pages}
        return said

    (tmp_path / "out").mkdir()
    (tmp_path / "other").mkdir()
    text = ("--data_path=text", "--out=out")
    measured = "`ptb study --data_path=text --out=out --beside other --language zh`"
    assert command(*text, "--beside", "other", "--language", "zh") == measured
    assert command("--out=out", "--redraw", "--language=zh") == measured
    assert command("--out=out", "--recheck", "--language=zh") == measured
    assert command(*text, "--language=zh") == (
        "`ptb study --data_path=text --out=out --language=zh`"
    )


def test_every_study_has_a_name_of_its_module():
    for name in NAMES:
        module = importlib.import_module(f"ptb.experiments.studies.{name}")
        assert module.STUDY.name == name
        cases = module.STUDY.cases(Options(quick=True, seeds=(1, 2)))
        full = module.STUDY.cases(Options(quick=False, seeds=(1, 2)))
        assert len(full) >= len(cases)
        # A saved CSV says by its settings what it is of.
        assert any(case not in full for case in cases)


@pytest.mark.slow
def test_redraw_answers_anew_from_the_csv_without_tensorflow(tmp_path):
    folder = tmp_path / "out/truncation"
    folder.mkdir(parents=True)
    recorded = from_csv((ROOT / "results/studies/truncation/measurements.csv").read_text())
    for cosine, said in ((0.992, "hardly changes"), (0.8, "noticeably changes")):
        made_up = [row | {"cosine": cosine} if row["num_steps"] == 20 else row for row in recorded]
        (folder / "measurements.csv").write_text(to_csv(made_up))
        # What other seeds gave is compared anew too.
        (folder / "recheck.csv").write_text(to_csv(made_up))
        flags = ("--redraw", "--out=out", "--language=zh")
        result = run("truncation", *flags, folder=tmp_path, prepare=[forked.hide_tensorflow])
        assert result.returncode == 0, result.stderr
        assert said in (folder / "verdict.md").read_text()
        assert "截断" in result.stdout
        assert result.stdout.startswith((folder / "verdict.zh.md").read_text("utf-8") + "\n")
        assert "**The verdict holds**" in (folder / "recheck.md").read_text()
        assert (folder / "figure.png").exists()
        assert (folder / "figure.zh.png").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_verdict_is_what_its_measurements_say(name):
    folder = ROOT / "results/studies" / name
    recorded = from_csv((folder / "measurements.csv").read_text())
    study = importlib.import_module(f"ptb.experiments.studies.{name}").STUDY
    assert (
        (folder / "verdict.md")
        .read_text()
        .startswith(f"# {study.question}\n\n{study.answer(recorded)}\n")
    )
    if (folder / "recheck.csv").exists():
        again = from_csv((folder / "recheck.csv").read_text())
        said = "\n".join(study.recheck(recorded, again))
        assert (folder / "recheck.md").read_text().startswith(said)


@pytest.mark.slow
def test_redraw_of_another_studys_csv_is_refused_by_name(tmp_path):
    (tmp_path / "out/truncation").mkdir(parents=True)
    (tmp_path / "out/truncation/measurements.csv").write_text("cell,steps\nlstm,3\n")
    result = run("truncation", "--redraw", "--out=out", folder=tmp_path)
    one_line_error(result, "ptb study truncation", "not the CSV of truncation")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--redraw", "measurements.csv: run the study"),
        ("--seeds=0", "flag --seeds=0"),
        ("--out=", "is empty"),
        ("--out=short.txt", "--out=short.txt cannot be written"),
        ("--data_path=short.txt", "45 tokens and a study needs 20,000"),
    ],
)
def test_a_bad_flag_ends_with_one_line(tmp_path, flag, message):
    (tmp_path / "short.txt").write_text("the cat sat on\n" * 10)
    result = run("truncation", flag, folder=tmp_path)
    one_line_error(result, "ptb study truncation", message)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_study_runs_and_leaves_its_files(name, tmp_path):
    result = run(name, "--quick", "--seeds=1", "--out=out", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    files = {path.name for path in (tmp_path / "out" / name).iterdir()}
    assert files - {"tuning.csv"} == {"measurements.csv", "figure.png", "verdict.md"}


def test_a_verdict_is_checked_again_on_its_own_text_only(tmp_path):
    line = "| text | book: train 9 tokens, fingerprint 0123456789ab |"
    (tmp_path / "verdict.md").write_text(f"# Why?\n\n| | |\n|---|---|\n{line}\n")
    check_text(tmp_path, SimpleNamespace(name="book", fingerprint="0123456789ab" + "0" * 52))
    with pytest.raises(ValueError, match="0123456789ab, and other has ffffffffffff"):
        check_text(tmp_path, SimpleNamespace(name="other", fingerprint="f" * 64))
