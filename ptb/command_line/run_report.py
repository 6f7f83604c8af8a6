"""What `ptb train` prints: text, model, a row for each epoch, the result, the next commands."""

from __future__ import annotations

import math
import sys

from ptb.command_line.program import FLAGS, command_to_type, note
from ptb.data.documents import NONE
from ptb.machine.cores import on_gpu
from ptb.machine.escape import escape
from ptb.machine.processor import slow_precision
from ptb.training.report import best_of

# Tokens of a sample while training.
SAMPLE_TOKENS = {"word": 40, "char": 200}
# Valid perplexity that many times the lowest counts as risen: less is within an epoch's noise.
MEMORIZED = 1.02
# A perplexity per word from which on a text has no spaces between words: its words are lines.
MOST_PER_WORD = 1e9
COLUMNS = ("epoch", "learn rate", "train ppl", "valid ppl", "|gradient|", "words/s", "seconds")


def print_header(config, corpus, model) -> None:
    from ptb.data import documents, summary  # noqa: PLC0415
    from ptb.data.text import UNITS  # noqa: PLC0415

    unit = UNITS[corpus.tokens]
    print(
        f"corpus {escape(corpus.name)}: vocabulary of {len(corpus.vocabulary):,} {unit}, "
        f"fingerprint {corpus.fingerprint[:12]}"
    )
    print(summary.table(corpus.summary))
    for reason in corpus.reasons:
        print(reason)
    if corpus.summary["train"].unknown == 0 < sum(row.unknown for row in corpus.summary.values()):
        note(
            "the train split has no <unk>, but another split has: the model never learns to "
            "predict it"
        )
    if borders := documents.borders_of(config.reset_at, corpus.vocabulary):
        counts = (f"{borders.count(ids):,} in {split}" for split, ids in corpus.splits.items())
        print(f"documents (reset_at={config.reset_at}): {', '.join(counts)}")
    if warning := _slow_precision(config):
        note(f"--precision={config.precision} {warning}")
    layers = "layer" if config.num_layers == 1 else "layers"
    print(
        f"model {FLAGS.model}: {config.num_layers} {config.cell} {layers} of {config.hidden_size} "
        f"units, {model.count_params():,} weights, batch_size {config.batch_size}, "
        f"num_steps {config.num_steps}, seed {config.seed}"
    )
    print(
        f"perplexity (ppl): lower is better; {_frequencies(unit)} alone give "
        f"{corpus.unigram_perplexity('valid'):.2f} on valid"
    )
    columns = [name if unit == "words" else name.replace("words", "tokens") for name in COLUMNS]
    print(" ".join(f"{name:>10}" for name in columns), flush=True)


def _slow_precision(config) -> str | None:
    from models.softmax import rounds_bfloat16  # noqa: PLC0415

    if config.precision == "float32" or on_gpu():
        return None
    rnn_mode = config.resolve_rnn_mode(on_gpu=False).rnn_mode
    return slow_precision(config.precision, rnn_mode, has_onednn=rounds_bfloat16())


def print_row(report) -> None:
    print(
        f"{report.epoch:>10} {report.learning_rate:>10.4g} {report.train_perplexity:>10.2f} "
        f"{report.valid_perplexity:>10.2f} {report.mean_grad_norm:>10.2f} "
        f"{report.words_per_second:>10,.0f} {report.seconds:>10.1f}",
        flush=True,
    )


def note_nothing_learned(report, corpus) -> None:
    """Warns after the second epoch if the model knows no more than word frequencies."""
    from ptb.data.text import UNITS  # noqa: PLC0415

    if report.epoch != 2:
        return
    frequencies = corpus.unigram_perplexity("valid")
    if report.valid_perplexity >= frequencies:
        note(
            f"after two epochs the valid perplexity is {report.valid_perplexity:.1f}, no better "
            f"than {_frequencies(UNITS[corpus.tokens])} alone ({frequencies:.1f}): try another "
            "--seed, a smaller --learning_rate or a smaller --max_grad_norm"
        )


def note_memorized(reports) -> None:
    """Warns if valid perplexity has been higher for two epochs while train perplexity fell."""
    last, best = reports[-1], best_of(reports)
    if (
        last.epoch == best.epoch + 2
        and last.valid_perplexity > MEMORIZED * best.valid_perplexity
        and last.train_perplexity < best.train_perplexity
    ):
        note(
            f"valid perplexity has risen since epoch {best.epoch} while train perplexity fell: "
            "the model memorizes the train split. Try --early_stopping=2, a lower --keep_prob, "
            "a smaller --vocab_size, or more text"
        )


def print_sample(training, epoch: int) -> None:
    """Prints a text that the current model writes. Every epoch draws with the same seed."""
    from ptb.serving.live_sample import sample_text  # noqa: PLC0415

    corpus = training.corpus
    num_words = SAMPLE_TOKENS.get(corpus.tokens, SAMPLE_TOKENS["word"])
    with training.evaluation_weights():
        options = training.config.seed, training.borders
        text = sample_text(training.model, corpus.vocabulary, corpus.tokens, num_words, *options)
    lines = escape(text, keep="\t\n").rstrip("\n").split("\n")
    print(f"sample after epoch {epoch}:", *lines, sep="\n    ", flush=True)


def print_result(result) -> None:
    """Prints the test perplexity of the best epoch, and the floor if the text has a known one."""
    corpus, best, test = result.corpus, result.best, result.test
    print(f"best epoch {best.epoch}: valid perplexity {best.valid_perplexity:.3f}")
    first = int(result.config.reset_at != NONE)  # then the first token is predicted too
    _print_bits("valid", best.valid_perplexity, corpus, first)
    if test is None:
        print("the text has no test split, so nothing was tested")
        return
    print(
        f"test perplexity {test.perplexity:.3f} "
        f"({test.nats:.1f} nats over {test.tokens:,} tokens, batch_size 1)"
    )
    print(meaning(test.perplexity, corpus))
    _print_bits("test", test.perplexity, corpus, first)
    if corpus.summary["test"].unknown:
        print(f"test <unk> {corpus.summary['test'].unknown_share:.2%} of the tokens")
    if corpus.grammar:
        _print_floors(result.config.num_steps, corpus, test.perplexity)


def print_what_next(run: str | None, best_epoch: int, has_test: bool) -> None:
    """Says on stderr what was saved, and which commands use it."""
    if run is None:
        note("nothing was saved: add --save_path=FOLDER to keep the model and to resume training")
        return
    print(
        f"saved in {escape(run)}: the weights of the best epoch ({best_epoch}) and of the last, "
        "metrics.csv, learning_curve.png",
        file=sys.stderr,
    )
    save_path = f"--save_path={run}"
    print("next:", file=sys.stderr)
    for does, name, flags in (
        ("score a text", "evaluate", () if has_test else ("--split=valid",)),
        ("write a text", "generate", ("--num_words=20",)),
        ("export the model", "export", (f"--export_path={run.rstrip('/')}-export",)),
    ):
        command = command_to_type(name, save_path, *flags)
        print(f"  {does:17} {escape(command)}", file=sys.stderr)


def meaning(perplexity: float, corpus) -> str:
    """Explains a test perplexity to a reader who has not met one before."""
    from ptb.data.text import UNITS  # noqa: PLC0415

    frequencies = corpus.unigram_perplexity("test")
    known = _frequencies(UNITS[corpus.tokens])
    return f"{uniform_choice(perplexity, corpus)}; {known} alone give {frequencies:,.2f}"


def _frequencies(unit: str) -> str:
    """What a model without context knows, in words."""
    return "word frequencies" if unit == "words" else f"the frequencies of the {unit}"


def uniform_choice(perplexity: float, corpus) -> str:
    """The perplexity as the number of tokens among which a uniform choice is as uncertain."""
    from ptb.data.text import UNITS  # noqa: PLC0415

    size, units = len(corpus.vocabulary), UNITS[corpus.tokens]
    if perplexity > size:
        return f"meaning: worse than a uniform choice among all {size:,} {units}"
    return f"meaning: as unsure as a uniform choice among {perplexity:,.2f} of the {size:,} {units}"


def _print_bits(split: str, perplexity: float, corpus, first: int) -> None:
    print_comparable(split, perplexity, corpus.summary[split], corpus.tokens, first)


def print_comparable(part: str, perplexity: float, counts, tokens: str, first: int = 0) -> None:
    """Prints scores that compare models with different tokens: per character and per word.

    `counts` is the `SplitSummary` of the text. `first` is 1 if its first token was predicted too.
    """
    caveat = f" (not comparable: {why})" if (why := counts.not_comparable) else ""
    by_word = counts.word_perplexity(perplexity, first)
    if tokens not in ("word", "char") and by_word is not None and by_word < MOST_PER_WORD:
        print(f"{part} perplexity per word {by_word:.3f}{caveat}")
    bits = counts.bits_per_character(perplexity, first)
    if bits is not None:
        print(f"{part} bits per character {bits:.4f}{caveat}")


def _print_floors(num_steps: int, corpus, perplexity: float) -> None:
    """Prints the lowest perplexities that any model of the grammar's text can reach."""
    grammar = corpus.grammar
    nats, tokens = grammar.score(corpus.vocabulary.decode(corpus.test))
    print(f"a grammar wrote this text: it scores {math.exp(nats / tokens):.3f} on the test split")
    for memory, floor in (
        ("with full memory", grammar.perplexity_floor()),
        (f"if the state is reset every {num_steps} steps", grammar.perplexity_floor(num_steps)),
    ):
        print(f"floor {memory} {floor:.3f}: test perplexity is {perplexity / floor:.3f} times that")
