"""What every study does: flags, corpus, progress, and the files that are left."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from command_line.devices import start_tensorflow
from command_line.paths import define_path
from command_line.program import FLAGS, run, user_errors
from command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.escape import escape
from studies.measurements import Row, from_csv, to_csv
from training.atomic_file import write_atomically, write_text_atomically
from training.environment import machine, versions_in_words
from training.own_folder import refuse_foreign

# The flags below belong to the study that is run, so that --helpshort lists them there.
flags.disclaim_key_flags()

# A study reads so much of a long text and no more, so that it ends; the built-in corpus is shorter.
MOST_TOKENS = {"train": 100_000, "valid": 12_000}
LEAST_TOKENS = {"train": 20_000, "valid": 3_000}
CSV, FIGURE, VERDICT = "measurements.csv", "figure.png", "verdict.md"


@dataclass(frozen=True)
class Options:
    """`quick`: fewer and smaller cases. `seeds`: those that each setting is measured with."""

    quick: bool
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Study:
    """One question.

    `cases(options)`         the settings to measure, a row each
    `measure(case, corpus)`  one or more rows of figures of one setting, without the setting
    `verdict(rows)`          the answer in words, from the figures alone
    `draw(rows)`             the answer as a `matplotlib` figure
    `in_children`            whether `measure` works in child processes, which start TensorFlow
    """

    name: str
    question: str
    cases: Callable[[Options], list[Row]]
    measure: Callable[[Row, object], list[Row]]
    verdict: Callable[[list[Row]], str]
    draw: Callable[[list[Row]], object]
    in_children: bool = False

    def main(self) -> None:
        """Runs the study as a program: `python3 -m studies.NAME`."""
        define_flags()
        run(self._run)

    def _run(self) -> None:
        with user_errors():
            folder = Path(FLAGS.out) / self.name
            if FLAGS.redraw:
                rows, provenance = _saved_rows(folder), None
                self._check_columns(rows, folder)
            else:
                corpus = _load()
                self.check_own(folder)
                _make(folder)
        if not FLAGS.redraw:
            if not self.in_children:
                start_quietly()
            count = FLAGS.seeds or (2 if FLAGS.quick else 3)
            rows = self.rows(Options(FLAGS.quick, tuple(range(1, count + 1))), corpus)
            provenance = _provenance(corpus)
            write_text_atomically(folder / CSV, to_csv(rows))
            # What is said and drawn comes from the file: --redraw then says and draws the same.
            rows = _saved_rows(folder)
        self.report(rows, folder, provenance)

    def check_own(self, folder: Path) -> None:
        """Raises ValueError if the folder has something in it, but no figures of this study."""
        named = f"--out={folder.parent}"
        with _writing(named):
            if os.path.lexists(folder / CSV):
                self._check_columns(_saved_rows(folder), folder)
            else:
                refuse_foreign(folder, f"{named}: {folder.name}")

    def _check_columns(self, rows: list[Row], folder: Path) -> None:
        """Raises ValueError where the CSV lacks what the verdict is made from."""
        try:
            self.verdict(rows)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(
                f"{folder / CSV} is not the CSV of {self.name}: it has nothing for {error}"
            ) from None

    def rows(self, options: Options, corpus) -> list[Row]:
        """Measures every case, with a progress bar."""
        from tqdm import tqdm  # noqa: PLC0415

        rows = []
        bar = tqdm(self.cases(options), desc=self.name, unit="case", disable=None)
        for case in bar:
            bar.set_postfix_str(" ".join(f"{name}={value}" for name, value in case.items()))
            rows += [case | row for row in self.measure(case, corpus)]
        return rows

    def report(self, rows: list[Row], folder: Path, provenance: list[str] | None) -> None:
        """Draws the figure, writes the verdict and prints it.

        Without `provenance`, that of the verdict which is replaced stays.
        """
        from studies.figure import png  # noqa: PLC0415

        verdict = self.verdict(rows)
        write_atomically(folder / FIGURE, lambda file: file.write(png(self.draw, rows)))
        if provenance is None:
            provenance = _kept_provenance(folder)
        lines = [f"# {self.question}", "", verdict, "", f"![figure]({FIGURE})", "", *provenance]
        write_text_atomically(folder / VERDICT, "\n".join(lines) + "\n")
        print(f"{self.question}\n\n{verdict}\n\n{folder / CSV}, {FIGURE}, {VERDICT}")


def define_flags() -> None:
    """The flags that all studies have."""
    define_data_flags(save_path=False)
    define_text_flags()
    flags.DEFINE_bool("quick", False, "fewer and smaller settings: less than a minute on two cores")
    define_path("out", "runs/studies", "folder; each study writes to OUT/NAME")
    flags.DEFINE_integer("seeds", None, "seeds of each setting (3; with --quick 2)", 1, 100)
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
    module = sys.modules["__main__"].__spec__.name
    tokens = ", ".join(f"{split} {len(ids):,}" for split, ids in corpus.splits.items())
    cores, processor = (machine()[name] for name in ("cores", "processor"))
    return [
        "| | |",
        "|---|---|",
        f"| command | `{shlex.join(['python3', '-m', module, *sys.argv[1:]])}` |",
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
