"""The common part of all studies: flags, corpus, progress, and the files they write."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.program import FLAGS, note, run, user_errors
from ptb.experiments.studies.findings import NONE, comparison, contradicts, paired, tally
from ptb.experiments.studies.measurements import Row, from_csv, to_csv
from ptb.experiments.studies.study_files import (
    CSV,
    FIGURE,
    RECHECK,
    RECHECK_CSV,
    TUNING,
    UNFINISHED,
    VERDICT,
    check_text,
    cost_of,
    damaged,
    in_chinese,
    is_unfinished,
    is_verdict,
    kept_provenance,
    make_folder,
    provenance_of,
    read_unfinished,
    rechecked_rows,
    remove_replaced,
    saved_rows,
    seen_seeds,
    unfinished_lines,
    writing,
)
from ptb.experiments.studies.study_flags import (
    QUICK_SEEDS,
    check_flags,
    define_flags,
    load_corpus,
    other_text,
)
from ptb.experiments.studies.whole import are_quick
from ptb.machine.atomic_file import write_atomically, write_text_atomically
from ptb.machine.colours import fonts
from ptb.machine.own_folder import refuse_foreign

TUNING_SEEDS = 3


OTHER_SEEDS = "with other seeds"  # the heading of what a recheck found


@dataclass(frozen=True)
class Options:
    """How much to measure: seeds, and full or quick settings.

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
    """A study: one question, and how it is measured and answered.

    `cases(options)`  the settings to measure, a row each
    `measure(case, corpus, options)`  rows of figures of one setting, without the setting
    `verdict(rows)`   the answer in words, from the figures alone; what is in bold is a finding that
                      other seeds must bear out, so no measured figure is in bold
    `draw(rows)`      the answer as a `matplotlib` figure
    `in_children`     whether `measure` works in child processes, which start TensorFlow
    `seeds`           as many as each setting is measured with in a full run
    `quick_seeds`     as many with --quick
    `min_seeds`       fewer than these support no verdict: 10 where the outcome is pass or fail
    `brackets`        what the brackets after a figure are
    `may_lack(case)`  whether older measurements may be without this case
    `version`         of what `measure` gives: an unfinished measurement of another begins anew
    """

    name: str
    question: str
    cases: Callable[[Options], list[Row]]
    measure: Callable[[Row, object, Options], list[Row]]
    verdict: Callable[[list[Row]], str]
    draw: Callable[[list[Row]], object]
    in_children: bool = False
    seeds: int = 10
    quick_seeds: int = QUICK_SEEDS
    min_seeds: int = 5
    brackets: str = "95% intervals of the mean (Student's t)"
    may_lack: Callable[[Row], bool] = lambda case: False
    version: int = 1

    def main(self) -> None:
        """Runs the study as a program: `ptb study NAME`."""
        define_flags()
        run(self._run)

    def _run(self) -> None:
        with user_errors():
            folder = Path(FLAGS.out) / self.name
            check_flags()
            self._check_saved(folder)
            recorded = saved_rows(folder) if FLAGS.redraw or FLAGS.recheck else None
            first = 1 + max(seen_seeds(folder)) if FLAGS.recheck else 1
            if not FLAGS.redraw:
                corpus = load_corpus()
                if FLAGS.recheck:
                    check_text(folder, corpus)
                self.check_own(folder)
                make_folder(folder)
        if FLAGS.redraw:
            with user_errors():
                self.report(recorded, folder, None)
                if rows := rechecked_rows(folder):
                    self.report_recheck(recorded, rows, folder, kept_provenance(folder, RECHECK))
            return
        if not self.in_children:
            start_tensorflow()
        count = FLAGS.seeds or (self.quick_seeds if FLAGS.quick else self.seeds)
        tuning = [1000 + first + i for i in range(2 if FLAGS.quick else TUNING_SEEDS)]
        options = Options(FLAGS.quick, tuple(range(first, first + count)), tuple(tuning))
        rows, tuned = self.rows(options, corpus, folder)
        csv = RECHECK_CSV if FLAGS.recheck else CSV
        provenance = provenance_of(corpus, cost_of(folder / UNFINISHED), csv)
        self.verdict(from_csv(to_csv(rows)))  # an error here is the study's, and replaces no file
        with user_errors():
            if FLAGS.recheck:
                write_text_atomically(folder / RECHECK_CSV, to_csv(rows))
                self.report_recheck(recorded, rows, folder, provenance)
            else:
                write_text_atomically(folder / CSV, to_csv(rows))
                if tuned:
                    write_text_atomically(folder / TUNING, to_csv(tuned))
                remove_replaced(folder)
                # What is said and drawn comes from the file: --redraw then says and draws the same.
                self.report(saved_rows(folder), folder, provenance)
        (folder / UNFINISHED).unlink()

    def check_own(self, folder: Path) -> None:
        """Raises ValueError if the folder has files that are not of a study, or a damaged one."""
        named = f"--out={folder.parent}"
        with writing(named):
            if not (is_verdict(folder / VERDICT) or is_unfinished(folder / UNFINISHED)):
                refuse_foreign(folder, f"{named}: {folder.name}")
        unfinished_lines(folder / UNFINISHED)

    def _check_saved(self, folder: Path) -> None:
        """Raises ValueError if a CSV that is read is damaged, or compared with other settings."""
        rechecked, other = folder / RECHECK_CSV, self._other_folder()
        compared = [other / CSV] if other else []
        quick = FLAGS.quick
        if FLAGS.redraw:
            quick = self.is_quick(folder / CSV)
            compared += [rechecked] if rechecked.exists() else []
        elif FLAGS.recheck:
            compared.append(folder / CSV)
            if rechecked.exists():  # its seeds are not taken again
                self.is_quick(rechecked)
        kinds = {False: "a full run", True: "a quick run"}
        for path in compared:
            if self.is_quick(path) != quick:
                raise ValueError(
                    f"{path} is of {kinds[not quick]}, and would be compared with {kinds[quick]}: "
                    "measure both with --quick, or both without"
                )

    def is_quick(self, path: Path) -> bool:
        """Whether a CSV of this study has the settings of a quick run.

        Raises ValueError if it lacks a column or row that the verdict needs.
        """
        rows = saved_rows(path.parent, path.name)
        full, quick = (
            from_csv(to_csv(self.cases(Options(quick, seeds=(1,))))) for quick in (False, True)
        )
        with self._answering(path):
            is_quick = are_quick(rows, full, quick, self.may_lack)
            self.verdict(rows)
        return is_quick

    @contextlib.contextmanager
    def _answering(self, path: Path) -> Iterator[None]:
        """Turns the errors of a verdict or figure, from the rows of a CSV, into ValueError."""
        try:
            yield
        except LookupError as error:
            raise damaged(path, self.name, f"there is nothing for {error}") from error
        except (TypeError, ValueError, ArithmeticError) as error:
            raise damaged(path, self.name, error) from error

    def _other_folder(self) -> Path | None:
        """The folder of this study on another text; None without --beside.

        Of a folder with several studies, some may not have been measured on the other text.
        """
        text = other_text()
        return text / self.name if text and (text / self.name).is_dir() else None

    def rows(self, options: Options, corpus, folder: Path) -> tuple[list[Row], list[Row]]:
        """Measures every case with a progress bar. Returns the rows, and the rows of the tuning.

        What is measured is kept in UNFINISHED case by case, and not measured again there.
        """
        from tqdm import tqdm  # noqa: PLC0415

        what = {
            "version": self.version,
            "quick": options.quick,
            "seeds": list(options.seeds),
            "text": corpus.fingerprint if corpus else "",
        }
        done = read_unfinished(folder / UNFINISHED, what)
        rows, tuned = [], []
        bar = tqdm(self.cases(options), desc=self.name, unit="case", disable=None)
        for case in bar:
            bar.set_postfix_str(" ".join(f"{name}={value}" for name, value in case.items()))
            key = json.dumps(case)
            if key not in done:
                some, before = [], cpu_seconds()
                measured = self.measure(
                    case, corpus, dataclasses.replace(options, tuned=some.append)
                )
                cost = round(cpu_seconds() - before, 1)
                done[key] = {"rows": measured, "tuned": some, "cpu_seconds": cost}
                with (folder / UNFINISHED).open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"case": key, **done[key]}) + "\n")
            rows += [case | row for row in done[key]["rows"]]
            tuned += [case | row for row in done[key]["tuned"]]
        return rows, tuned

    def answer(self, rows: list[Row]) -> str:
        """The verdict, what its brackets mean, and a warning if there are too few seeds."""
        seeds = len({row["seed"] for row in rows})
        few = ""
        if seeds < self.min_seeds:
            few = f"A first look: {_seeds(seeds)}, and a verdict needs {self.min_seeds}.\n\n"
        brackets = "Brackets, and shading or error bars in figures: "
        brackets += f"{self.brackets}, over {_seeds(seeds)}."
        return f"{few}{self.verdict(rows)}\n\n{brackets}"

    def report_recheck(self, recorded, rows, folder: Path, provenance: list[str]) -> None:
        """Writes which findings of the `recorded` rows hold with the `rows` of other seeds."""
        said = self.recheck(recorded, rows)
        lines = [*said, "## The verdict with other seeds", "", self.answer(rows).replace("**", "")]
        write_text_atomically(folder / RECHECK, "\n".join([*lines, "", *provenance]) + "\n")
        print("\n".join(said))

    def recheck(self, recorded: list[Row], rows: list[Row]) -> list[str]:
        """Lines of Markdown: whether the findings of `rows` are those of the `recorded` rows."""
        pairs = paired(self.verdict(recorded), self.verdict(rows))
        holds, how = self._outcome(pairs, rows)
        table = comparison(pairs, OTHER_SEEDS)
        return [f"# Checked again: {self.question}", "", f"**{holds}** {how}", "", *table, ""]

    def _outcome(self, pairs: list[tuple[str, str]], rows: list[Row]) -> tuple[str, str]:
        """Whether the verdict holds with the seeds of `rows`, and how many findings are the same.

        It is not confirmed by fewer than `min_seeds` seeds, or if most findings lack a counterpart.
        """
        seeds = sorted({row["seed"] for row in rows})
        holds = "holds"
        if any(map(contradicts, pairs)):
            holds = "does not hold"
        elif len(seeds) < self.min_seeds or 2 * sum(NONE in pair for pair in pairs) > len(pairs):
            holds = "is not confirmed"
        return f"The verdict {holds}", f"with seeds {seeds[0]} to {seeds[-1]}: {tally(pairs)}"

    def checked_again(self, rows: list[Row], folder: Path) -> tuple[list[str], list[str]]:
        """Lines with the outcome of a recheck, and with the findings that other seeds changed.

        Both are empty if it was not checked.
        """
        if not (again := rechecked_rows(folder)):
            return [], []
        pairs = paired(self.verdict(rows), self.verdict(again))
        changed = [(one, other) for one, other in pairs if one != other]
        table = [*comparison(changed, OTHER_SEEDS), ""] if changed else []
        return [
            f"## [Checked again]({RECHECK})",
            "",
            " ".join(self._outcome(pairs, again)),
            "",
        ], table

    def beside(self, rows: list[Row], folder: Path, other: Path) -> list[str]:
        """Markdown lines: which findings hold on the text that was measured in `other`."""
        pairs = paired(self.verdict(rows), self.verdict(saved_rows(other)))
        text = next((row for row in kept_provenance(other) if row.startswith("| text |")), "")
        name = text.removeprefix("| text |").partition(":")[0].strip() or other.name
        link = os.path.relpath(other / VERDICT, folder)
        line = tally(pairs, f" on [{name}]({link})")
        return [f"## On another text: {name}", "", line, "", *comparison(pairs, f"on {name}"), ""]

    def report(self, rows: list[Row], folder: Path, provenance: list[str] | None) -> None:
        """Draws the figure, writes the verdict and prints it.

        Without `provenance`, that of the verdict which is replaced stays.
        """
        from ptb.experiments.studies.figure import png  # noqa: PLC0415

        verdict = self.answer(rows)
        there = self._other_folder()
        other = self.beside(rows, folder, there) if there else []
        with self._answering(folder / CSV):
            figure = png(self.draw, rows)
        write_atomically(folder / FIGURE, lambda file: file.write(figure))
        if provenance is None:
            provenance = kept_provenance(folder)
        lines = [f"# {self.question}", "", verdict, "", f"![figure]({FIGURE})", ""]
        outcome, changed = self.checked_again(rows, folder)
        page = [*lines, *outcome, *changed, *other, *provenance]
        write_text_atomically(folder / VERDICT, "\n".join(page) + "\n")
        if _language() == "zh":
            # Which findings changed, and what another text says, is said in English only.
            self.report_in_chinese(rows, folder, [*lines, *outcome, *provenance])
            return
        print(f"{self.question}\n\n{verdict}\n\n{folder / CSV}, {FIGURE}, {VERDICT}")

    def report_in_chinese(self, rows: list[Row], folder: Path, lines: list[str]) -> None:
        """Writes the verdict and the figure in Chinese."""
        from ptb.experiments.studies.chinese import chinese  # noqa: PLC0415
        from ptb.experiments.studies.figure import png  # noqa: PLC0415

        verdict = chinese("\n".join(lines) + "\n")
        has_font = len(fonts()) > 1
        if not has_font:
            note("no installed font has Chinese letters: the figure is labelled in English")
        content = png(self.draw, rows, "zh" if has_font else "en")
        write_atomically(folder / in_chinese(FIGURE), lambda file: file.write(content))
        write_text_atomically(folder / in_chinese(VERDICT), verdict)
        print(verdict)


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def _language() -> str:
    return FLAGS.language if "language" in FLAGS else "en"
