"""Loads the trained model that the flags name, and the text to score with it."""

from __future__ import annotations

import dataclasses

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, note
from ptb.command_line.text_source import SOURCE_FLAGS, TextSource
from ptb.command_line.without_effect import refuse_without_effect
from ptb.data.options import reading_changed


def define_trained_model_flags(group: str = "model") -> None:
    """Flags that name a trained model: `--save_path`, or a checkpoint of the TF1 tutorial."""
    with flag_group(group):
        define_path(
            "save_path",
            None,
            "Folder of a run of ptb train, whose model is used. Default: none; required unless "
            "--tutorial_checkpoint is given.",
        )
        flags.DEFINE_enum(
            "checkpoint",
            "best",
            ["best", "latest"],
            "Which weights of the run. best: the epoch with the lowest perplexity on the valid "
            "split. latest: the last checkpoint.",
        )
        define_path(
            "tutorial_checkpoint",
            None,
            "In place of --save_path: a checkpoint of the original TF1 tutorial, as a path without "
            ".index. --data_path or --dataset then names the text that it was trained on. Default: "
            "none.",
        )


def check_text_flags(where: str = "with --save_path") -> None:
    """Raises ValueError for flags that name a text, unless a tutorial checkpoint needs it.

    For commands that read no text of their own. `where` completes "has no effect".
    """
    if FLAGS.tutorial_checkpoint is None:
        refuse_without_effect(SOURCE_FLAGS, where)


def load_trained_model():
    """The `TrainedModel` that `--save_path` or `--tutorial_checkpoint` names.

    Raises ValueError if both or neither are given, or if the model cannot be read.
    """
    from ptb.runs import trained_model  # noqa: PLC0415

    run_path, prefix = FLAGS.save_path, FLAGS.tutorial_checkpoint
    if run_path is None and prefix is None:
        raise ValueError("--save_path is missing: give the folder of a run that train.py made")
    if run_path is not None and prefix is not None:
        raise ValueError(
            f"give only one of --save_path={run_path} and --tutorial_checkpoint={prefix}"
        )
    if run_path is not None:
        trained = trained_model.load_run(run_path, FLAGS.checkpoint)
        if changed := reading_changed(trained.source):
            note(f"a text may become other tokens here than in training{changed}")
        return trained
    refuse_without_effect(["checkpoint"], without="--save_path")
    if FLAGS.data_path is None and FLAGS.dataset is None:
        raise ValueError(
            "--data_path is missing: a tutorial checkpoint does not have the words; give the text "
            "that it was trained on"
        )
    words = TextSource.of_run({}).load(("train",)).vocabulary
    start_tensorflow()
    trained = trained_model.load_tutorial_checkpoint(prefix, words)
    if len(words) < len(trained.vocabulary):
        note(
            f"the text has {len(words):,} words and the checkpoint {len(trained.vocabulary):,}: "
            "the rest are named <unused_N>; if it was trained on another text, all figures are "
            "wrong"
        )
    return trained


def check_words_of_the_tutorial(trained) -> None:
    """Raises ValueError if the tutorial would give the words of a run other ids.

    Its checkpoints have no words: it numbers all words of the train split, as they are written.
    Prints a note if the text of the run cannot be read.
    """
    if not trained.corpus:  # the words of a checkpoint of the tutorial come from there
        return
    named = {"tokens": trained.tokens, "lowercase": trained.lowercase}
    if others := [f"{k}={v}" for k, v in named.items() if v not in ("word", False)]:
        raise ValueError(
            f"the tutorial has no {', '.join(others)}: this model cannot be written as a "
            "checkpoint of the tutorial"
        )
    try:
        source = TextSource.of_run(trained.source)
        if source.options:
            every_word = dataclasses.replace(source.options, min_count=1)
            source = dataclasses.replace(source, options=every_word)
        words = source.load(("train",)).vocabulary.words
    except ValueError as error:
        note(f"not checked whether the tutorial would number the words as the run does: {error}")
        return
    if words != trained.vocabulary.words:
        raise ValueError(
            f"the tutorial would give the {len(words):,} words of the train split other ids than "
            f"this run gives its {len(trained.vocabulary):,}: train with --min_count=1 and a "
            "vocab_size that leaves no word out, on a text whose valid and "
            "test have no words that train lacks"
        )


def load_corpus_of(trained, split: str):
    """Reads a split of the text that a `TrainedModel` was trained on, with its vocabulary.

    The corpus may have more splits. The data flags may say where the text is now. Raises ValueError
    if the text is missing, or is another text.
    """
    source = TextSource.of_run(trained.source)
    if not trained.corpus:  # a tutorial checkpoint, whose text the flags name
        return source.load((split,), vocabulary=trained.vocabulary)
    if not _is_named():
        return _text_of_run(trained, source, split)
    if own := _own_corpus(trained, source):
        return _having(split, own)
    raise ValueError(
        f"{source.data_path or source.dataset} is not the text that the run was trained on"
        f"{reading_changed(trained.source)}"
    )


def load_train_of(trained):
    """Reads the train split of the text that a `TrainedModel` was trained on.

    The flags may name another text to score.

    Raises ValueError as `load_corpus_of` does.
    """
    if not trained.corpus or not _is_named():
        return load_corpus_of(trained, "train")
    if own := _own_corpus(trained, TextSource.of_run(trained.source)):
        return own
    return _text_of_run(trained, TextSource.of_run(trained.source, read_flags=False), "train")


def load_text_to_score(trained, split: str, is_split_given: bool):
    """Reads the text to score with the vocabulary of a `TrainedModel`.

    Returns the corpus and the name of the split to score: of the run's own text, or of the folder
    or dataset that the flags name. A file is scored whole, unless it is the run's own text and
    `split` is not `WHOLE`. Raises ValueError if the text cannot be read or lacks the split.
    """
    from ptb.data.options import WHOLE  # noqa: PLC0415

    source = TextSource.of_run(trained.source)
    if split == WHOLE:
        if not _is_named() or not source.is_file:
            raise ValueError("--split=whole needs one file: give it as --data_path=FILE")
        return source.load_whole(trained.vocabulary), WHOLE
    if not trained.corpus or not _is_named():
        return load_corpus_of(trained, split), split
    if not source.is_file:
        return source.load((split,), vocabulary=trained.vocabulary), split
    if own := _own_corpus(trained, source):
        return _having(split, own), split
    if is_split_given:
        raise ValueError(
            f"--split={split} is a part of the run's own text, and {source.data_path} is "
            "another text: leave out --split to score all of the file"
        )
    return source.load_whole(trained.vocabulary), WHOLE


def load_file_to_score(trained, path: str, keep_ids: bool = True):
    """Reads all of one file with the vocabulary and the options of a `TrainedModel`.

    Without `keep_ids` (a temporary file) the cache folder is not used. Raises ValueError if the
    file cannot be read.
    """
    how = {n: v for n, v in trained.source.items() if n not in ("dataset", "data_dir", "shares")}
    source = TextSource.of_run(how | {"data_path": path}, read_flags=False)
    if not source.is_file:
        raise ValueError(f"{path!r} is not a file: give text files, or - for standard input")
    if not keep_ids:
        source = dataclasses.replace(source, cache_dir="")
    return source.load_whole(trained.vocabulary)


def _is_named() -> bool:
    """Whether the flags name a text."""
    return FLAGS.data_path is not None or FLAGS.dataset is not None


def _own_corpus(trained, source: TextSource):
    """All splits of the run's own text; None if the source is another text."""
    if source.is_file and not source.options.shares:
        return None
    return source.load_if(
        trained.corpus.get("fingerprint"), _splits_of(trained), trained.vocabulary
    )


def _text_of_run(trained, source: TextSource, split: str):
    """Reads the run's text where the run found it. Raises ValueError if it has changed."""
    # One file is read as a whole anyway; of a folder, only as much as is needed. A run of version
    # 1.0 has the fingerprint of all splits together only.
    known = trained.corpus.get("split_fingerprints") or {}
    splits = (split,) if known and not source.is_file else _splits_of(trained)
    corpus = _having(split, source.load(splits, vocabulary=trained.vocabulary))
    length = len(corpus.splits[split])
    if known:
        what, now, then = f"the {split} split", corpus.split_fingerprints[split], known.get(split)
    else:
        what, now, then = "all of it", corpus.fingerprint, trained.corpus.get("fingerprint")
    tokens = (trained.corpus.get("tokens") or {}).get(split, length)
    changes = None
    if tokens != length:
        changes = f"the {split} split has {length:,} tokens and had {tokens:,}"
    elif then not in (None, now):
        changes = f"{what} has the fingerprint {now[:12]} and had {then[:12]}"
    if changes:
        # Given as --data_path, one file is scored whole: with what the run trained on.
        remedy = "give a part that the run did not train on in a file of its own, as --data_path"
        if not source.is_file:
            remedy = "give it as --data_path to score it as it is"
        raise ValueError(
            f"the text has changed since the run started: {changes}"
            f"{reading_changed(trained.source)}: restore the text, or {remedy}"
        )
    return corpus


def _having(split: str, corpus):
    """The corpus. Raises ValueError if it lacks the split."""
    if split not in corpus.splits:
        raise ValueError(
            f"the run's text has no {split} split: choose from {', '.join(corpus.splits)}, or give "
            "another text"
        )
    return corpus


def _splits_of(trained) -> tuple[str, ...]:
    """The splits of the run's text, from which the fingerprint was computed."""
    from ptb.data.options import SPLITS  # noqa: PLC0415

    known = trained.corpus.get("tokens") or SPLITS
    return tuple(split for split in SPLITS if split in known)
