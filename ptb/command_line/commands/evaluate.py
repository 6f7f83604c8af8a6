"""Measures the exact perplexity of a trained model.

    python3 evaluate.py --save_path=RUN                     the test split of the run's text
    python3 evaluate.py --save_path=RUN --split=valid --json
    python3 evaluate.py --save_path=RUN --data_path=FILE    all of another text
    python3 evaluate.py --save_path=RUN A.txt B.txt -       several texts, one from standard input
    python3 evaluate.py --save_path=RUN A.txt --per_line --format=csv --line_state=fresh
    python3 evaluate.py --tutorial_checkpoint=PREFIX --data_path=DIR    a TF1 tutorial checkpoint

Every token after the first is predicted once. With batch_size 1, the default, it is predicted from
all tokens before it. The perplexity does not depend on num_steps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from typing import TYPE_CHECKING

from absl import flags

from ptb.command_line import line_table
from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS, note, run_tool, user_errors
from ptb.command_line.run_report import print_comparable, uniform_choice
from ptb.command_line.standard_input import STANDARD_INPUT, standard_input_file
from ptb.command_line.text_source import define_data_flags
from ptb.command_line.trained_model import (
    define_trained_model_flags,
    load_file_to_score,
    load_text_to_score,
    load_train_of,
    load_trained_model,
)
from ptb.command_line.without_effect import refuse_without_effect
from ptb.data.documents import NONE, RESET_AT, borders_of
from ptb.data.options import WHOLE
from ptb.machine import strict_json
from ptb.machine.escape import escape
from ptb.machine.memory import gib, memory_bytes, there_is
from ptb.training.model import check_memory

if TYPE_CHECKING:
    from ptb.data.corpus import Corpus
    from ptb.data.reader import Windows


# Methods other than plain evaluation, and the flags of each.
METHODS = {
    "neural_cache": ("cache_flatness", "cache_share"),
    "dynamic_evaluation": ("dynamic_rate", "dynamic_decay"),
}
# batch_size if no line depends on another.
FRESH_ROWS = 64
# num_steps of dynamic evaluation, and its batch_size on train.
DYNAMIC_STEPS, DYNAMIC_BATCH = 5, 100


def main(names: list[str]) -> None:
    with contextlib.ExitStack() as cleanup:
        with user_errors():
            _check_method()
            names = _named_files(names)
            _check_lines()
            trained = load_trained_model()
            if FLAGS.per_line:
                _eos(trained)
            texts = [Text(*each) for each in _load(trained, names, cleanup)]
            for text in texts:
                text.windows = _windows(trained, text)
            train_windows = _train_windows(trained) if FLAGS.dynamic_evaluation else None
            start_tensorflow()
            _check_memory(trained, [text.windows for text in texts], train_windows)
            model = trained.build()
            for text in texts:
                _print_what_is_scored(text)
        evaluator = _evaluator(model, train_windows)
        if FLAGS.per_line:
            _print_lines(evaluator, texts, trained)
        else:
            _print_scores(evaluator, texts, trained)


@dataclasses.dataclass
class Text:
    """A split of a corpus to score. `name` is the file, or else the corpus."""

    corpus: Corpus
    split: str
    name: str
    windows: Windows | None = None

    @property
    def ids(self):
        return self.corpus.splits[self.split]

    @property
    def counts(self):
        return self.corpus.summary[self.split]

    @property
    def part(self) -> str:
        return "whole text" if self.split == WHOLE else self.split


def _named_files(names: list[str]) -> list[str]:
    """The files to score whole; none if the flags name the text."""
    if FLAGS.data_path == STANDARD_INPUT:
        names = [*names, STANDARD_INPUT]
    elif names and FLAGS.data_path is not None and FLAGS.tutorial_checkpoint is None:
        raise ValueError(
            f"give only one of --data_path={FLAGS.data_path} and the file {names[0]!r}"
        )
    if names and FLAGS.dataset is not None and FLAGS.tutorial_checkpoint is None:
        raise ValueError(f"give only one of --dataset={FLAGS.dataset} and the file {names[0]!r}")
    if names and FLAGS["split"].present and FLAGS.split != WHOLE:
        raise ValueError(f"--split={FLAGS.split}: named files are scored whole: leave out --split")
    if names.count(STANDARD_INPUT) > 1:
        raise ValueError("standard input can be read only once: give one -")
    return names


def _load(trained, names: list[str], cleanup: contextlib.ExitStack):
    """Yields corpus, split and name of each text to score."""
    if not names:
        corpus, split = load_text_to_score(trained, FLAGS.split, FLAGS["split"].present > 0)
        yield corpus, split, str(corpus.files.get(split, corpus.name))
    for name in names:
        path, is_stream = name, name == STANDARD_INPUT
        if is_stream:
            path = cleanup.enter_context(standard_input_file())
        try:
            corpus = load_file_to_score(trained, path, keep_ids=not is_stream)
        except ValueError as error:
            if not is_stream:
                raise
            raise ValueError(str(error).replace(path, "standard input")) from None
        yield corpus, WHOLE, "standard input" if is_stream else path


def _print_scores(evaluator, texts: list[Text], trained) -> None:
    """Scores each text from a state of zeros, and prints the scores, and the total of several."""
    scores = []
    for text in texts:
        with _bar(text) as bar:
            scores.append(evaluator(text.windows, progress=bar.update))
    total = _total(scores)
    if FLAGS.json:
        each = [_as_json(*pair, trained) for pair in zip(scores, texts, strict=True)]
        sums = {name: getattr(total, name) for name in ("perplexity", "nats", "tokens")}
        print(strict_json.dumps(each[0] if len(each) == 1 else sums | {"texts": each}))
        return
    for score, text in zip(scores, texts, strict=True):
        if len(texts) > 1:
            print(f"{escape(text.name)}:")
        _print_score(score, text, _reset_at(trained))
    if len(texts) > 1:
        print(f"all {len(texts)} texts: perplexity {total.perplexity:.3f}")
        print(f"{total.nats:.3f} nats over {total.tokens:,} tokens")
    unit = "words" if trained.tokens == "word" else "tokens"
    print(f"{total.words_per_second:,.0f} {unit}/s, weights of {escape(trained.name)}")


def _bar(text: Text):
    from tqdm import tqdm  # noqa: PLC0415

    total = text.windows.num_tokens
    return tqdm(total=total, desc=text.split, unit="token", unit_scale=True, disable=None)


def _total(scores):
    """The `Score` of all texts or lines together."""
    from ptb.training.perplexity import Score  # noqa: PLC0415

    seconds = sum(score.seconds for score in scores)
    nats, tokens = math.fsum(s.nats for s in scores), sum(s.tokens for s in scores)
    return Score(nats, tokens, seconds)


def _print_score(score, text: Text, reset_at: str) -> None:
    print(f"{text.part} perplexity {score.perplexity:.3f}{_with_method()}")
    print(uniform_choice(score.perplexity, text.corpus))
    counts = text.counts
    first = text.windows.first
    print_comparable(text.part, score.perplexity, counts, text.corpus.tokens, first)
    if reset_at != NONE:
        print(f"the state was {_zeroed(reset_at)}")
    if text.corpus.vocabulary.unknown_id is not None:
        print(
            f"{counts.unknown:,} of {counts.tokens:,} tokens are <unk> ({counts.unknown_share:.2%})"
        )
    print(
        f"{score.nats:.3f} nats over {score.tokens:,} tokens, batch_size {text.windows.batch_size}"
    )


def _print_lines(evaluator, texts: list[Text], trained) -> None:
    """Scores each line of each text, and prints the scores in `--format`."""
    from ptb.training.line_scores import score_lines  # noqa: PLC0415

    kind = FLAGS.format
    if kind == "csv":
        print(*line_table.header(kind), sep="\n")
    for text in texts:
        with _bar(text) as bar:
            scores = score_lines(evaluator, text.ids, _eos(trained), text.windows, bar.update)
        if kind == "table":
            print(f"{escape(text.name)}:", *line_table.header(kind), sep="\n")
        vocabulary = trained.vocabulary
        for row in line_table.rows(text.name, scores, text.ids, vocabulary, trained.tokens):
            print(line_table.line_of(row, kind))
        if kind == "table":
            total, reset_at = _total(list(scores)), _reset_at(trained)
            carried = FLAGS.line_state == "carried"
            state = _zeroed(reset_at) if carried and reset_at != NONE else FLAGS.line_state
            print(
                f"sum of {len(scores.tokens):,} lines: perplexity {total.perplexity:.3f}, "
                f"{total.nats:.3f} nats over {total.tokens:,} tokens, state {state}"
                f"{_with_method()}"
            )


def _eos(trained) -> int:
    """The id that ends a line. Raises ValueError if the vocabulary has none."""
    if trained.vocabulary.eos_id is None:
        raise ValueError(
            "--per_line needs <eos>, which the vocabulary of the run lacks: leave out --per_line"
        )
    return trained.vocabulary.eos_id


def _check_lines() -> None:
    """Raises ValueError for flags of `--per_line` that contradict each other."""
    if not FLAGS.per_line:
        refuse_without_effect(("format", "line_state"), without="--per_line")
        return
    if FLAGS.json:
        raise ValueError("--json cannot print lines: with --per_line, use --format=jsonl")
    if FLAGS.line_state == "fresh" and FLAGS.reset_at is not None:
        raise ValueError(
            "--line_state=fresh zeroes the state at each line: leave out "
            f"--reset_at={FLAGS.reset_at}"
        )
    if FLAGS.line_state == "fresh" and _method():
        raise ValueError(
            f"--line_state=fresh does not work with {_method()}: use --line_state=carried"
        )


def _check_method() -> None:
    """Raises ValueError for two methods, or for a bad or unused parameter of a method."""
    if FLAGS.neural_cache and FLAGS.dynamic_evaluation:
        raise ValueError("give only one of --neural_cache and --dynamic_evaluation")
    for method, names in METHODS.items():
        if not FLAGS[method].value:
            refuse_without_effect(names, without=f"--{method}")


def _print_what_is_scored(text: Text) -> None:
    """Prints on stderr, since stdout is for results."""
    part = "whole" if text.split == WHOLE else f"split {text.split}"
    print(
        f"scoring {escape(text.name)}, {part}: {text.counts.tokens:,} tokens, "
        f"{text.counts.unknown_share:.2%} <unk>{_with_method()}",
        file=sys.stderr,
    )
    rows = text.windows.batch_size
    if rows > 1 and FLAGS.line_state != "fresh":
        note(
            f"batch_size={rows} reads {rows} rows side by side, {rows - 1} of which start without "
            "context; batch_size=1 is exact"
        )


def _windows(trained, text: Text):
    from ptb.data import reader  # noqa: PLC0415

    num_steps = _num_steps(trained)
    if FLAGS.per_line and FLAGS.line_state == "fresh":
        batch_size = FLAGS.batch_size if FLAGS["batch_size"].present else FRESH_ROWS
        if FLAGS.num_steps is None:
            num_steps = reader.steps_for_lines(text.ids, _eos(trained), num_steps)
        return reader.every_line(text.ids, _eos(trained), batch_size, num_steps)
    windows = reader.every_token(text.ids, FLAGS.batch_size, num_steps, _borders(trained))
    _check_cache_memory(trained.config.hidden_size, windows.batch_size, num_steps)
    return windows


def _check_cache_memory(hidden_size: int, batch_size: int, num_steps: int) -> None:
    """Raises ValueError if the neural cache does not fit into memory."""
    # The state of each word, before and after a window; its score at each step of a window.
    needed = 4 * batch_size * FLAGS.neural_cache * (3 * hidden_size + 6 * num_steps)
    if needed > memory_bytes():
        raise ValueError(
            f"--neural_cache={FLAGS.neural_cache} needs {gib(needed)}, and {there_is()}: give a "
            "smaller one"
        )


def _num_steps(trained) -> int:
    if FLAGS.num_steps is not None:
        return FLAGS.num_steps
    return DYNAMIC_STEPS if FLAGS.dynamic_evaluation else trained.config.num_steps


def _train_windows(trained):
    """Windows of train, on which dynamic evaluation measures the size of gradients."""
    from ptb.data import reader  # noqa: PLC0415

    train = load_train_of(trained).train
    batch_size, num_steps = min(DYNAMIC_BATCH, len(train) - 1), _num_steps(trained)
    return reader.every_token(train, batch_size, num_steps, _borders(trained))


def _borders(trained):
    """The starts of documents: as in training, or as `--reset_at` says."""
    if FLAGS.reset_at is None:
        return trained.borders
    return borders_of(FLAGS.reset_at, trained.vocabulary)


def _check_memory(trained, windows: list, train_windows) -> None:
    """Raises ValueError if the model or a window does not fit into memory."""
    trained.check()
    for each, training in (*((each, False) for each in windows), (train_windows, True)):
        if each is not None:
            sizes = each.batch_size, each.num_steps
            vocab_size = len(trained.vocabulary)
            check_memory(trained.config, vocab_size, *sizes, training=training, trained=True)


def _evaluator(model, train_windows):
    """The evaluator: plain, with a neural cache, or with dynamic evaluation."""
    if FLAGS.neural_cache:
        from ptb.training.neural_cache import CacheEvaluator  # noqa: PLC0415

        return CacheEvaluator(model, FLAGS.neural_cache, FLAGS.cache_flatness, FLAGS.cache_share)
    if FLAGS.dynamic_evaluation:
        from ptb.training.dynamic_evaluation import DynamicEvaluator  # noqa: PLC0415

        return DynamicEvaluator(model, train_windows, FLAGS.dynamic_rate, FLAGS.dynamic_decay)
    from ptb.training.perplexity import Evaluator  # noqa: PLC0415

    return Evaluator(model)


def _reset_at(trained) -> str:
    return FLAGS.reset_at or trained.config.reset_at


def _zeroed(reset_at: str) -> str:
    return f"zeroed at the start of each document (reset_at={reset_at})"


def _with_method() -> str:
    return f" with {_method()}" if _method() else ""


def _method() -> str:
    """The method besides the model, in words; empty for the plain perplexity."""
    if FLAGS.neural_cache:
        return (
            f"a neural cache (size {FLAGS.neural_cache}, flatness {FLAGS.cache_flatness:g}, share "
            f"{FLAGS.cache_share:g})"
        )
    if FLAGS.dynamic_evaluation:
        return f"dynamic evaluation (rate {FLAGS.dynamic_rate:g}, decay {FLAGS.dynamic_decay:g})"
    return ""


def _as_json(score, text: Text, trained) -> dict:
    counts, windows = text.counts, text.windows
    return {
        "split": text.split,
        "text": text.name,
        "text_tokens": counts.tokens,
        "weights": trained.name,
        "method": _method() or "plain",
        "reset_at": _reset_at(trained),
        "perplexity": score.perplexity,
        "bits_per_character": counts.bits_per_character(score.perplexity, windows.first),
        "word_perplexity": counts.word_perplexity(score.perplexity, windows.first),
        "not_comparable": counts.not_comparable,
        "unknown_tokens": counts.unknown,
        "unknown_share": counts.unknown_share,
        "nats": score.nats,
        "tokens": score.tokens,
        "words_per_second": score.words_per_second,
        "batch_size": windows.batch_size,
        "num_steps": windows.num_steps,
    }


def start() -> None:
    """Defines the flags and runs the command."""
    define_trained_model_flags()
    define_data_flags("Another text to score", "the run's own text")
    with flag_group("text"):
        flags.DEFINE_enum(
            "split",
            "test",
            ["train", "valid", "test", WHOLE],
            "Which part to score, of the run's text or of the folder in --data_path. A file that "
            "is another text is scored whole.",
        )
        flags.DEFINE_enum(
            "reset_at",
            None,
            RESET_AT,
            "Where a new document begins; the state is zeroed there. Default: as in training.",
        )
    with flag_group("scoring"):
        flags.DEFINE_integer(
            "batch_size",
            1,
            "Rows of text that are read side by side. More rows are faster; 1 is exact, since then "
            "every token is predicted from all tokens before it.",
            1,
            100_000,
        )
        flags.DEFINE_integer(
            "num_steps",
            None,
            "Tokens of a row in one window; with --dynamic_evaluation, the words between two "
            "updates. Without it, only the speed changes. Default: the run's num_steps, or 5 with "
            "--dynamic_evaluation.",
            1,
            1000,
        )
        flags.DEFINE_integer(
            "neural_cache",
            0,
            "Size in words of the neural cache that is mixed into the prediction (Grave et al. "
            "2017). 0: no cache.",
            0,
            1_000_000,
        )
        flags.DEFINE_float(
            "cache_flatness",
            0.3,
            "With --neural_cache: weight of the similarity of states. 0: all words of the cache "
            "count alike.",
            0.0,
            1000.0,
        )
        flags.DEFINE_float(
            "cache_share",
            0.1,
            "With --neural_cache: weight of the cache in the prediction, from 0 to 1.",
            0.0,
            1.0,
        )
        flags.DEFINE_bool(
            "dynamic_evaluation",
            False,
            "Keep training on the words of each window after they were predicted (Krause et al. "
            "2018). Compare on the valid split first: on some texts it raises perplexity.",
        )
        flags.DEFINE_float(
            "dynamic_rate",
            0.0007,
            "With --dynamic_evaluation: the learning rate. Choose it on the valid split.",
            0.0,
            1000.0,
        )
        flags.DEFINE_float(
            "dynamic_decay",
            0.002,
            "With --dynamic_evaluation: rate of the decay back to the trained weights.",
            0.0,
            1.0,
        )
    with flag_group("output"):
        flags.DEFINE_bool("json", False, "Print one JSON object.")
        flags.DEFINE_bool("per_line", False, "Print the nats, tokens and perplexity of each line.")
        flags.DEFINE_enum(
            "format", "table", line_table.FORMATS, "With --per_line: the format of the lines."
        )
        flags.DEFINE_enum(
            "line_state",
            "carried",
            ["carried", "fresh"],
            "With --per_line: the state at the start of a line. carried: from the line before, so "
            "that the lines add up to the whole text. fresh: zeros, so that each line is scored by "
            "itself.",
        )
    run_tool(main)
