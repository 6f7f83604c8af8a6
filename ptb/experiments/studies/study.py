"""What every study does: flags, corpus, progress, and the files that are left."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, note, run, typed_command, user_errors
from ptb.command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.experiments.studies.measurements import Row, from_csv, to_csv
from ptb.explain.phrases import LANGUAGES
from ptb.machine.atomic_file import write_atomically, write_text_atomically
from ptb.machine.colours import fonts
from ptb.machine.environment import machine, versions_in_words
from ptb.machine.escape import escape
from ptb.machine.own_folder import refuse_foreign

# The flags below belong to the study that is run, so that --helpshort lists them there.
flags.disclaim_key_flags()

# A study reads so much of a long text and no more, so that it ends; the built-in corpus is shorter.
MOST_TOKENS = {"train": 100_000, "valid": 12_000}
LEAST_TOKENS = {"train": 20_000, "valid": 3_000}
CSV, FIGURE, VERDICT = "measurements.csv", "figure.png", "verdict.md"
TUNING, UNFINISHED = "tuning.csv", "unfinished.jsonl"
UNFINISHED_BEGINS = b'{"quick": '
# What a verdict says made it, the earlier name of the command too.
COMMANDS = ("ptb study", "python3 -m studies")
RECHECK_CSV, RECHECK = "recheck.csv", "recheck.md"
QUICK_SEEDS, TUNING_SEEDS = 5, 3


@dataclass(frozen=True)
class Options:
    """What is measured, beside the cases.

    `quick`         fewer and smaller cases
    `seeds`         those that each setting is measured with
    `tuning_seeds`  those that learning rates are chosen with
    `tuned`         takes each row of a tuning, for TUNING
    """

    quick: bool
    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...] = (1001, 1002, 1003)
    tuned: Callable[[Row], None] = lambda row: None


@dataclass(frozen=True)
class Study:
    """One question.

    `cases(options)`  the settings to measure, a row each
    `measure(case, corpus, options)`  rows of figures of one setting, without the setting
    `verdict(rows)`   the answer in words, from the figures alone; what is in bold is a finding that
                      other seeds must bear out, so no measured figure is in bold
    `draw(rows)`      the answer as a `matplotlib` figure
    `in_children`     whether `measure` works in child processes, which start TensorFlow
    `seeds`           as many as each setting is measured with in a full run
    `least_seeds`     fewer than these support no verdict: 10 where the outcome is pass or fail
    `brackets`        what the brackets after a figure are
    """

    name: str
    question: str
    cases: Callable[[Options], list[Row]]
    measure: Callable[[Row, object, Options], list[Row]]
    verdict: Callable[[list[Row]], str]
    draw: Callable[[list[Row]], object]
    in_children: bool = False
    seeds: int = 10
    least_seeds: int = 5
    brackets: str = "95% intervals of the mean (bootstrap)"

    def main(self) -> None:
        """Runs the study as a program: `ptb study NAME`."""
        define_flags()
        run(self._run)

    def _run(self) -> None:
        with user_errors():
            folder = Path(FLAGS.out) / self.name
            recorded = None
            if FLAGS.redraw or FLAGS.recheck:
                recorded = _saved_rows(folder)
                self._check_columns(recorded, folder)
            if not FLAGS.redraw:
                corpus = _load()
                self.check_own(folder)
                _make(folder)
        if FLAGS.redraw:
            with user_errors():
                self.report(recorded, folder, None)
            return
        if not self.in_children:
            start_quietly()
        count = FLAGS.seeds or (QUICK_SEEDS if FLAGS.quick else self.seeds)
        first = 1 + max((row["seed"] for row in recorded or []), default=0)
        tuning = [1000 + first + i for i in range(2 if FLAGS.quick else TUNING_SEEDS)]
        options = Options(FLAGS.quick, tuple(range(first, first + count)), tuple(tuning))
        rows, tuned = self.rows(options, corpus, folder)
        provenance = _provenance(corpus)
        if FLAGS.recheck:
            write_text_atomically(folder / RECHECK_CSV, to_csv(rows))
            self.report_recheck(recorded, rows, folder, provenance)
        else:
            write_text_atomically(folder / CSV, to_csv(rows))
            if tuned:
                write_text_atomically(folder / TUNING, to_csv(tuned))
            # What is said and drawn comes from the file: --redraw then says and draws the same.
            self.report(_saved_rows(folder), folder, provenance)
        (folder / UNFINISHED).unlink()

    def check_own(self, folder: Path) -> None:
        """Raises ValueError if the folder has something in it, but no study of this program."""
        named = f"--out={folder.parent}"
        with _writing(named):
            if not (_is_verdict(folder / VERDICT) or _is_unfinished(folder / UNFINISHED)):
                refuse_foreign(folder, f"{named}: {folder.name}")

    def _check_columns(self, rows: list[Row], folder: Path) -> None:
        """Raises ValueError where the CSV lacks what the verdict is made from."""
        try:
            self.verdict(rows)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"{folder / CSV} is not the CSV of {self.name}: it has nothing for {error}"
            ) from None

    def rows(self, options: Options, corpus, folder: Path) -> tuple[list[Row], list[Row]]:
        """Measures every case, with a progress bar: its rows, and those of the tuning.

        What is measured is kept in UNFINISHED case by case, and not measured again there.
        """
        from tqdm import tqdm  # noqa: PLC0415

        what = {
            "quick": options.quick,
            "seeds": list(options.seeds),
            "text": corpus.fingerprint if corpus else "",
        }
        done = _read_unfinished(folder / UNFINISHED, what)
        rows, tuned = [], []
        bar = tqdm(self.cases(options), desc=self.name, unit="case", disable=None)
        for case in bar:
            bar.set_postfix_str(" ".join(f"{name}={value}" for name, value in case.items()))
            key = json.dumps(case)
            if key not in done:
                some = []
                measured = self.measure(
                    case, corpus, dataclasses.replace(options, tuned=some.append)
                )
                done[key] = {"rows": measured, "tuned": some}
                with (folder / UNFINISHED).open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"case": key, **done[key]}) + "\n")
            rows += [case | row for row in done[key]["rows"]]
            tuned += [case | row for row in done[key]["tuned"]]
        return rows, tuned

    def answer(self, rows: list[Row]) -> str:
        """The verdict, with what its brackets are and whether there are seeds enough for it."""
        seeds = len({row["seed"] for row in rows})
        few = ""
        if seeds < self.least_seeds:
            few = f"A first look: {_seeds(seeds)}, and a verdict needs {self.least_seeds}.\n\n"
        return f"{few}{self.verdict(rows)}\n\nBrackets: {self.brackets}, over {_seeds(seeds)}."

    def report_recheck(self, recorded, rows, folder: Path, provenance: list[str]) -> None:
        """Says which findings of the `recorded` rows hold with those of other seeds."""
        pairs = paired(self.verdict(recorded), self.verdict(rows))
        held = sum(one == other for one, other in pairs)
        seeds = sorted({row["seed"] for row in rows})
        text = (
            f"**{'The verdict holds' if held == len(pairs) else 'The verdict does not hold'}** "
            "with "
            f"seeds {seeds[0]} to {seeds[-1]}: {held} of {len(pairs)} findings are the same."
        )
        table = comparison(pairs, "with other seeds")
        lines = [f"# Checked again: {self.question}", "", text, "", *table, ""]
        lines += ["## The verdict with other seeds", "", self.answer(rows).replace("**", ""), ""]
        write_text_atomically(folder / RECHECK, "\n".join([*lines, *provenance]) + "\n")
        print(f"{self.question}\n\n{text}\n\n" + "\n".join(table))

    def beside(self, rows: list[Row], folder: Path, other: Path) -> list[str]:
        """Lines that say which findings hold on the text that was measured in `other`."""
        pairs = paired(self.verdict(rows), self.verdict(_saved_rows(other)))
        held = sum(one == there for one, there in pairs)
        text = next((row for row in _kept_provenance(other) if row.startswith("| text |")), "")
        name = text.removeprefix("| text |").partition(":")[0].strip() or other.name
        link = os.path.relpath(other / VERDICT, folder)
        line = f"{held} of {len(pairs)} findings are the same on [{name}]({link})."
        return [f"## On another text: {name}", "", line, "", *comparison(pairs, f"on {name}"), ""]

    def report(self, rows: list[Row], folder: Path, provenance: list[str] | None) -> None:
        """Draws the figure, writes the verdict and prints it.

        Without `provenance`, that of the verdict which is replaced stays.
        """
        from ptb.experiments.studies.figure import png  # noqa: PLC0415

        verdict = self.answer(rows)
        other = self.beside(rows, folder, Path(FLAGS.beside) / self.name) if _given() else []
        write_atomically(folder / FIGURE, lambda file: file.write(png(self.draw, rows)))
        if provenance is None:
            provenance = _kept_provenance(folder)
        lines = [f"# {self.question}", "", verdict, "", f"![figure]({FIGURE})", ""]
        lines += [*other, *provenance]
        write_text_atomically(folder / VERDICT, "\n".join(lines) + "\n")
        if _language() == "zh":
            self.report_in_chinese(rows, folder)
            return
        print(f"{self.question}\n\n{verdict}\n\n{folder / CSV}, {FIGURE}, {VERDICT}")

    def report_in_chinese(self, rows: list[Row], folder: Path) -> None:
        """The same in Chinese, in files of its own."""
        from ptb.experiments.studies.chinese import chinese  # noqa: PLC0415
        from ptb.experiments.studies.figure import png  # noqa: PLC0415

        verdict = chinese((folder / VERDICT).read_text(encoding="utf-8"))
        has_font = len(fonts()) > 1
        if not has_font:
            note("no installed font has Chinese letters: the figure is labelled in English")
        content = png(self.draw, rows, "zh" if has_font else "en")
        write_atomically(folder / in_chinese(FIGURE), lambda file: file.write(content))
        write_text_atomically(folder / in_chinese(VERDICT), verdict)
        print(verdict)


def define_flags() -> None:
    """The flags that all studies have."""
    define_data_flags(save_path=False)
    define_text_flags()
    flags.DEFINE_enum(
        "language", "en", LANGUAGES, "English; or Chinese too: verdict.zh.md and figure.zh.png"
    )
    flags.DEFINE_bool("quick", False, "fewer and smaller settings: about a minute on two cores")
    define_path("out", "runs/studies", "folder; each study writes to OUT/NAME")
    flags.DEFINE_integer(
        "seeds",
        None,
        f"seeds of each setting (5 or 10, as the study says; with --quick {QUICK_SEEDS})",
        1,
        100,
    )
    flags.DEFINE_bool(
        "recheck", False, "measure again with other seeds: does the verdict in OUT hold?"
    )
    define_path(
        "beside", None, "OUT of another text: the verdict says which findings are the same there"
    )
    flags.DEFINE_bool("redraw", False, "measure nothing: verdict and figure from the CSV in OUT")


def _load():
    """The corpus, of a long text the beginning. Raises ValueError for one that is too short."""
    corpus = TextSource.from_flags().load(("train", "valid"))
    for split, least in LEAST_TOKENS.items():
        if len(corpus.splits[split]) < least:
            raise ValueError(
                f"the {split} split has {len(corpus.splits[split]):,} tokens and a study needs "
                f"{least:,}: give a longer text"
            )
    splits = {split: corpus.splits[split][:most] for split, most in MOST_TOKENS.items()}
    return dataclasses.replace(corpus, splits=splits)


def paired(verdict: str, other: str) -> list[tuple[str, str]]:
    """The findings of two verdicts, those that are the same in one row; "none" for none."""
    ones, others = findings(verdict), findings(other)
    left = [one for one in others if one not in ones]
    pairs = [
        (one, one) if one in others else (one, left.pop(0) if left else "none") for one in ones
    ]
    return pairs + [("none", one) for one in left]


def comparison(pairs: list[tuple[str, str]], heading: str) -> list[str]:
    """A table of the findings, and what they are elsewhere."""
    rows = [f"| {one} | {'the same' if one == other else other} |" for one, other in pairs]
    return [f"| finding | {heading} |", "|---|---|", *rows]


def findings(verdict: str) -> list[str]:
    """What a verdict claims, word for word: its bold phrases."""
    return re.findall(r"\*\*(.+?)\*\*", verdict)


def _given() -> bool:
    """Whether there is another text to compare with."""
    return "beside" in FLAGS and bool(FLAGS.beside)


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"


def _is_verdict(path: Path) -> bool:
    """Whether a study wrote the file: an earlier one may have had other columns in its CSV."""
    if not path.is_file():
        return False
    text = path.read_text("utf-8", "replace")
    return any(f"| command | `{command}" in text for command in COMMANDS)


def _is_unfinished(path: Path) -> bool:
    """Whether a study that was stopped before its first verdict left the file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(UNFINISHED_BEGINS)) == UNFINISHED_BEGINS


def _read_unfinished(path: Path, what: dict) -> dict:
    """The cases that were measured already; none where something else was measured."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    # A last line without an end is of a study that was killed while it wrote.
    kept = []
    for line in lines:
        try:
            kept.append(json.loads(line))
        except json.JSONDecodeError:
            break
    if not kept or kept[0] != what:
        kept = [what]
    write_text_atomically(path, "".join(json.dumps(each) + "\n" for each in kept))
    return {each["case"]: {n: each[n] for n in ("rows", "tuned")} for each in kept[1:]}


def _make(folder: Path) -> None:
    """Raises ValueError where the folder cannot be made."""
    with _writing(f"--out={folder.parent}"):
        folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _writing(named: str) -> Iterator[None]:
    """Raises ValueError for what is wrong with the folder that figures are to be written to."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{named} cannot be written ({error.strerror}): give another folder"
        ) from None


def start_quietly() -> None:
    """Starts TensorFlow without its notes on tracing."""
    start_tensorflow()
    import tensorflow as tf  # noqa: PLC0415

    # A study traces the same step for many settings on purpose, and need not be warned of it.
    tf.get_logger().setLevel("ERROR")


def _saved_rows(folder: Path) -> list[Row]:
    path = folder / CSV
    try:
        return from_csv(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no {path}: run the study without --redraw first") from None
    except ValueError as error:
        raise ValueError(f"{path} is not the CSV of a study: {error}") from None


def _provenance(corpus) -> list[str]:
    """Where the figures come from: the command, the text, the versions and the machine."""
    tokens = ", ".join(f"{split} {len(ids):,}" for split, ids in corpus.splits.items())
    cores, processor = (machine()[name] for name in ("cores", "processor"))
    return [
        "| | |",
        "|---|---|",
        f"| command | `{typed_command()}` |",
        f"| text | {escape(corpus.name)}: {tokens} tokens, fingerprint {corpus.fingerprint[:12]} |",
        f"| versions | {versions_in_words()} |",
        f"| machine | {processor}, {cores} cores |",
        f"| figures | [{CSV}]({CSV}) |",
    ]


def _kept_provenance(folder: Path) -> list[str]:
    """That of the verdict that is replaced; none where there was no verdict."""
    path = folder / VERDICT
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return lines[lines.index("| | |") :] if "| | |" in lines else []


def in_chinese(name: str) -> str:
    """What a file is called in Chinese: `verdict.zh.md`."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.zh.{suffix}"


def _language() -> str:
    return FLAGS.language if "language" in FLAGS else "en"
