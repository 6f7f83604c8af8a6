"""The functions of `import ptb` other than training: load a text, evaluate, generate, export.

Axis letters: N = tokens of a split.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ptb.data import corpus as corpora
from ptb.data import reader, text
from ptb.data.corpus import Corpus
from ptb.data.options import SPLITS, WHOLE, TextOptions
from ptb.data.vocabulary import Vocabulary
from ptb.machine.checked import ANY, Limits, check, check_instance
from ptb.runs.trained_model import TrainedModel

if TYPE_CHECKING:
    from ptb.training.perplexity import Score


def load_corpus(
    data_path: str | Path | None = None,
    vocab_size: int = 10_000,
    vocabulary: Vocabulary | None = None,
    options: TextOptions | None = None,
) -> Corpus:
    """Loads a text as token ids, split into train, valid and test.

    Without a path it loads the built-in text, which is generated and needs no download. For Penn
    Treebank see `ptb.data.corpus.load_penn_treebank`.

    Args:
      data_path: a folder with `{train,valid,test}.txt` or `ptb.{train,valid,test}.txt`, plain or
        `.gz`; or one text file, which is split into 90, 5 and 5 per cent.
      vocab_size: the maximum size of the vocabulary. The rarest words of train become `<unk>`.
      vocabulary: a vocabulary to use instead of the words of train, such as `trained.vocabulary`.
        To score one file as a whole with a trained model, use `load_whole`.
      options: how the text becomes tokens (`ptb.data.options.TextOptions`).

    Returns:
      a `Corpus`. `corpus.splits` maps the name of a split to int32 ids `[N]`; test may be missing.

    Raises:
      ValueError: a file is missing, empty or not UTF-8, or has a word that the vocabulary cannot
        encode.
      TypeError: `vocabulary` or `options` is of another class.
    """
    check("vocab_size", vocab_size, int | None)
    check_instance("vocabulary", vocabulary, Vocabulary | None, "trained.vocabulary")
    check_instance("options", options, TextOptions | None, "TextOptions(...)")
    if data_path is None:
        if options is not None:
            raise ValueError("options has no effect on the built-in text: give a data_path")
        return corpora.built_in(vocab_size, vocabulary)
    train_and_valid, test = SPLITS[:2], SPLITS[2:]
    return corpora.load_text(data_path, vocab_size, train_and_valid, test, vocabulary, options)


def load_whole(data_path: str | Path, trained: TrainedModel) -> Corpus:
    """Loads a text file as a whole, as the trained model reads it, to be scored by `evaluate`.

    Args:
      data_path: a text file, plain or `.gz`.
      trained: `ptb.load_run(path)`, or `result.trained` of `ptb.train`.

    Returns:
      a `Corpus` with one split, "whole": int32 ids `[N]` in the vocabulary of `trained`.

    Raises:
      ValueError: the file is missing, empty or not UTF-8, or has a word that the vocabulary cannot
        encode.
      TypeError: `trained` is of another class.
    """
    _check_trained(trained)
    options = TextOptions(tokens=trained.tokens, lowercase=trained.lowercase)
    return corpora.load_whole(data_path, trained.vocabulary, options)


def evaluate(
    trained: TrainedModel, corpus: Corpus, split: str | None = None, batch_size: int = 1
) -> Score:
    """Computes the exact perplexity of a split: every token after the first is predicted once.

    If the run was trained with `reset_at`, the first token is predicted too, and no state crosses
    from one document into the next.

    Args:
      trained: `ptb.load_run(path)`, or `result.trained` of `ptb.train`.
      corpus: a text with the vocabulary of `trained`.
      split: "train", "valid", "test", or "whole" of a text from `load_whole`. None: "whole" if the
        corpus has it, else "test".
      batch_size: rows that are read side by side. Every row but the first starts without context;
        with 1, each token is predicted from all tokens before it.

    Returns:
      a `Score`: `perplexity`, total `nats`, number of predicted `tokens`, and `seconds`.

    Raises:
      ValueError: the split is missing or too short, or the vocabulary or the tokens are others.
      TypeError: `trained` or `corpus` is of another class.
    """
    from ptb.training.perplexity import Evaluator  # noqa: PLC0415

    _check_trained(trained)
    check_instance("corpus", corpus, Corpus, "ptb.load_corpus(...)")
    check("split", split, str | None)
    check("batch_size", batch_size, int, Limits(1, sys.maxsize))
    if corpus.vocabulary.words != trained.vocabulary.words:
        raise ValueError(
            f"the corpus {corpus.name} has other words than the model: load it with "
            "vocabulary=trained.vocabulary"
        )
    _check_options(corpus, trained)
    if split is None:
        split = WHOLE if WHOLE in corpus.splits else "test"
    if split not in corpus.splits:
        raise ValueError(f"split={split} is not in the corpus: give {', '.join(corpus.splits)}")
    ids, num_steps = corpus.splits[split], trained.config.num_steps
    windows = reader.every_token(ids, batch_size, num_steps, trained.borders)
    return Evaluator(trained.build())(windows)


def generate(
    trained: TrainedModel,
    prefix: str = "",
    num_words: int = 100,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    unknown: bool = True,
    stop_at_line: bool = False,
) -> str:
    """Continues a text with words sampled from the model.

    Args:
      trained: `ptb.load_run(path)`, or `result.trained` of `ptb.train`.
      prefix: the beginning of the text. A space at its end is left out if the next token brings
        its own (`ptb.data.text.without_last_space`).
      num_words: the number of tokens to add.
      temperature: divides the logits before the softmax. 0: always take the most likely word.
      top_k: sample only among the k most likely words. 0: among all.
      top_p: sample only among the fewest words whose probabilities sum to at least this.
      seed: the same seed gives the same text.
      unknown: whether `<unk>` may be sampled.
      stop_at_line: whether to end before the first sampled line break.

    Returns:
      `prefix` and the added tokens, as text: what the model reads of `prefix`, so with words one
      space between two of them, and in lower case for a model that reads so.

    Raises:
      ValueError: a word of `prefix` is not in the vocabulary, or a value is out of bounds.
      TypeError: `trained` is of another class.
    """
    from ptb.serving.sampling import Sampling  # noqa: PLC0415
    from ptb.serving.saved_model import served_model  # noqa: PLC0415

    _check_trained(trained)
    for name, value, wanted, limits in (
        ("prefix", prefix, str, ANY),
        ("num_words", num_words, int, Limits(0, sys.maxsize)),
        ("temperature", temperature, float, Limits(0, sys.float_info.max)),
        ("top_k", top_k, int, Limits(0, 2**31 - 1)),
        ("top_p", top_p, float, Limits(0, 1)),
        ("seed", seed, int, Limits(-(2**31), 2**31 - 1)),
    ):
        check(name, value, wanted, limits)
    tokens = trained.split(text.without_last_space(prefix, trained.tokens))
    trained.vocabulary.check_readable()
    trained.vocabulary.encode(tokens)  # raises ValueError
    sampling = Sampling(temperature, top_k, top_p)
    with served_model(trained) as module:
        never = None if unknown else trained.vocabulary.unknown_id
        options = {"never": never, "stop_at_line": stop_at_line}
        drawn = list(module.stream(tokens, num_words, sampling, seed, **options))
    return "".join(text.join(tokens + drawn, trained.tokens))


def export(trained: TrainedModel, export_path: str | Path) -> Path:
    """Exports a SavedModel that takes plain text, for serving.

    Args:
      trained: `ptb.load_run(path)`, or `result.trained` of `ptb.train`.
      export_path: the folder of all exports of the model. The first export goes to
        `export_path/1`, a later one to the next free number.

    Returns:
      the folder of this export. Its README.md says how to call it.

    Raises:
      ValueError: `export_path` cannot be written, or holds something other than exports.
      TypeError: `trained` is of another class.
    """
    _check_trained(trained)
    from ptb.serving.export_folder import make_export_folder  # noqa: PLC0415
    from ptb.serving.saved_model import export as write  # noqa: PLC0415

    return write(trained, make_export_folder(export_path), trained.perplexities)


def _check_options(corpus: Corpus, trained: TrainedModel) -> None:
    """Raises ValueError if the corpus was split into other tokens than the text of the run."""
    wanted = {"tokens": trained.tokens, "lowercase": trained.lowercase}
    found = {"tokens": corpus.tokens, "lowercase": corpus.source.get("lowercase", False)}
    # A corpus that was made by hand says nothing of its tokens.
    if found == wanted or not (corpus.source and trained.source):
        return
    if corpus.fingerprint == trained.corpus.get("fingerprint"):
        return
    was, give = (", ".join(f"{n}={v!r}" for n, v in each.items()) for each in (found, wanted))
    raise ValueError(
        f"the corpus {corpus.name} has {was}: load it from a data_path with "
        f"options=TextOptions({give}), as the text of the run"
    )


def _check_trained(trained) -> None:
    """Raises TypeError if `trained` is not a `TrainedModel`."""
    remedy = "ptb.load_run(path), or result.trained of ptb.train"
    check_instance("trained", trained, TrainedModel, remedy)
