"""Finds and reads the text that the flags name."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, note
from ptb.command_line.without_effect import refuse_without_effect
from ptb.data.tfds_text import TfdsText

if TYPE_CHECKING:
    from ptb.data.options import TextOptions


# Where a text is.
SOURCE_FLAGS = ("data_path", "dataset", "data_dir", "cache_dir")
# What one time step reads of each.
DATASETS = {"ptb": "word", "ptb_char": "char", "grammar": "word"}


def define_data_flags(
    what: str = "The text", otherwise: str = "the built-in corpus", group: str = "text"
) -> None:
    """Flags that name a text. `what` and `otherwise` complete the help of `--data_path`."""
    with flag_group(group):
        define_path(
            "data_path",
            None,
            f"{what}: a folder with train.txt, valid.txt and test.txt (or ptb.train.txt, ...), or "
            f"one file. Plain text in UTF-8, or .gz. Default: {otherwise}.",
        )
        flags.DEFINE_string(
            "dataset",
            None,
            "A named text in place of --data_path. ptb, ptb_char: Penn Treebank in words or in "
            "characters, downloaded through TFDS (TensorFlow Datasets). grammar: the built-in "
            "corpus. tfds:NAME: any text of TFDS; fields and splits can be added, as in "
            "tfds:NAME,field=text,train=train[:90%],valid=train[90%:],test=test. "
            f"Default: {otherwise}.",
        )
        define_path("data_dir", None, "Folder of TFDS's downloads. Default: ~/tensorflow_datasets.")
        define_path(
            "cache_dir",
            None,
            "Folder that caches the token ids of texts of 10 MB or more, so that the next start is "
            "faster; --cache_dir= turns the cache off. Default: ptb-lm in $XDG_CACHE_HOME or "
            "~/.cache.",
            may_be_empty=True,
        )


def define_text_flags() -> None:
    """Flags that say how the text in `--data_path` becomes tokens."""
    with flag_group("text"):
        flags.DEFINE_string(
            "tokens",
            None,
            "What one token is. word: anything between white space. char: a character. wordpunct: "
            "words and punctuation marks apart. subword: byte-level BPE with vocab_size subwords. "
            "Default: word.",
        )
        flags.DEFINE_bool("lowercase", None, "Convert the text to lower case. Default: off.")
        flags.DEFINE_integer(
            "min_count",
            None,
            "Words that occur less often than this in the train split become <unk>. Default: 1, or "
            "2 if valid or test has words that train lacks, train has no <unk>, and --vocab_size "
            "leaves no word out.",
        )
        flags.DEFINE_string(
            "split",
            None,
            "If --data_path is one file: the percentages of train, valid and test. Default: "
            "90,5,5.",
        )


def text_options_from_flags():
    """The `TextOptions` of the flags; None if no such flag was given.

    Raises ValueError for a bad value.
    """
    from ptb.data.options import TextOptions, parse_shares  # noqa: PLC0415

    names = ("tokens", "lowercase", "min_count")
    given = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
    if FLAGS.split is not None:
        given["shares"] = parse_shares(FLAGS.split)
    return TextOptions(**given) if given else None


@dataclasses.dataclass(frozen=True)
class TextSource:
    """A place of a text: a `data_path` or a `dataset`; the built-in corpus if both are None.

    Raises ValueError if both are given.
    """

    data_path: str | None = None
    dataset: str | None = None
    data_dir: str | None = None
    cache_dir: str | None = ""
    options: TextOptions | None = None

    def __post_init__(self):
        if self.data_path is not None and self.dataset is not None:
            raise ValueError(
                f"give only one of --data_path={self.data_path} and --dataset={self.dataset}"
            )

    @classmethod
    def from_flags(cls) -> TextSource:
        """The source that the flags name. Raises ValueError for a bad value."""
        options = text_options_from_flags()
        _check_folders(FLAGS.data_path, FLAGS.dataset)
        return cls(FLAGS.data_path, FLAGS.dataset, FLAGS.data_dir, FLAGS.cache_dir, options)

    @classmethod
    def of_run(cls, saved: dict, read_flags: bool = True) -> TextSource:
        """The source that the flags name, or else the source of a run.

        `saved` is `corpus.source` in the run's `config.json`. A text of the flags is read with the
        options of the run. Without `read_flags` the flags are ignored. Raises ValueError for a
        dataset with other tokens.
        """
        from ptb.data.options import TextOptions  # noqa: PLC0415

        data_path, dataset = (FLAGS.data_path, FLAGS.dataset) if read_flags else (None, None)
        if data_path is None and dataset is None:
            data_path, dataset = saved.get("data_path"), saved.get("dataset")
        tokens = saved.get("tokens", "word")
        if dataset is not None and tokens != _tokens_of(dataset, tokens):
            raise ValueError(
                f"--dataset={dataset} has tokens={_tokens_of(dataset)} and the run has "
                f"tokens={tokens}: give a text with the tokens of the run"
            )
        options = None
        if data_path is not None or _is_tfds(dataset):
            # A dataset of TFDS is cut by its name.
            shares = saved.get("shares") if data_path and os.path.isfile(data_path) else None
            shares = tuple(shares) if shares else None
            lowercase, min_count = saved.get("lowercase", False), saved.get("min_count")
            options = TextOptions(tokens, lowercase, min_count, shares)
        elif saved.get("lowercase"):
            raise ValueError(
                f"--dataset={dataset} is not read in lower case, as the run read its text: give "
                "the text as --data_path"
            )
        if read_flags:
            _check_folders(data_path, dataset)
        data_dir = FLAGS.data_dir
        if data_dir is None and dataset is not None:
            data_dir = saved.get("data_dir")
        if FLAGS.data_dir is None and data_dir and not os.path.isdir(data_dir):
            raise ValueError(f"the run's data_dir {data_dir!r} does not exist: give --data_dir")
        return cls(data_path, dataset, data_dir, FLAGS.cache_dir, options)

    @property
    def is_file(self) -> bool:
        """Whether the text is one file, with all splits in it."""
        return self.data_path is not None and os.path.isfile(self.data_path)

    def to_flags(self) -> list[str]:
        """The flags from which `from_flags` makes this source."""
        values = {name: getattr(self, name) for name in SOURCE_FLAGS}
        if self.options is not None:
            values |= dataclasses.asdict(self.options)
            shares = values.pop("shares")
            values["split"] = ",".join(map(str, shares)) if shares else None
        return [f"--{name}={value}" for name, value in values.items() if value is not None]

    def load(self, splits, optional_splits=(), vocab_size=None, vocabulary=None):
        """Reads the corpus, and prints a note for whatever was left out of the text.

        Raises ValueError as `load_text` and `load_penn_treebank` do.
        """
        loaded = self._load(splits, optional_splits, vocab_size, vocabulary)
        return _with_notes(loaded)

    def load_whole(self, vocabulary):
        """Reads all of the file `data_path` as one split, with a given vocabulary.

        Raises ValueError as `ptb.data.corpus.load_whole` does.
        """
        from ptb.data import corpus  # noqa: PLC0415

        return _with_notes(
            corpus.load_whole(self.data_path, vocabulary, self.options, self._cache_folder())
        )

    def load_if(self, fingerprint: str, splits, vocabulary):
        """Reads the corpus; None if it cannot be read or has another fingerprint."""
        with contextlib.suppress(ValueError):
            loaded = self._load(splits, (), None, vocabulary)
            if loaded.fingerprint == fingerprint:
                return _with_notes(loaded)
        return None

    def _cache_folder(self):
        from ptb.data import cache  # noqa: PLC0415

        return cache.default_folder() if self.cache_dir is None else self.cache_dir

    def _load(self, splits, optional_splits, vocab_size, vocabulary):
        from ptb.data import corpus  # noqa: PLC0415

        if self.data_path is not None:
            return corpus.load_text(
                self.data_path,
                vocab_size,
                splits,
                optional_splits,
                vocabulary,
                self.options,
                self._cache_folder(),
            )
        if _is_tfds(self.dataset):
            TfdsText.parse(self.dataset)  # refused before TensorFlow starts, which takes seconds
            start_tensorflow()
            return corpus.load_tfds(
                self.dataset,
                self.data_dir,
                vocab_size,
                splits,
                optional_splits,
                vocabulary,
                self.options,
            )
        if self.options is not None:
            raise ValueError(
                "--tokens, --lowercase, --min_count and --split are for the text in --data_path "
                "or tfds:NAME: give that, or --dataset=ptb_char for the characters of Penn Treebank"
            )
        if self.dataset in (None, "grammar"):
            return corpus.built_in(vocab_size, vocabulary)
        tokens = _tokens_of(self.dataset)
        start_tensorflow()
        return corpus.load_penn_treebank(
            tokens,
            self.data_dir,
            vocab_size,
            (*splits, *optional_splits),
            vocabulary,
        )


def _check_folders(data_path: str | None, dataset: str | None) -> None:
    """Raises ValueError for a flag of a folder that the text does not use."""
    if dataset in (None, "grammar"):
        refuse_without_effect(["data_dir"], without="--dataset=ptb, ptb_char or tfds:NAME")
    if data_path is None and FLAGS.cache_dir:
        refuse_without_effect(["cache_dir"], without="--data_path")


def _with_notes(corpus):
    for line in corpus.notes:
        note(line)
    return corpus


def _is_tfds(dataset: str | None) -> bool:
    return dataset is not None and dataset.startswith("tfds:")


def _tokens_of(dataset: str, wanted: str | None = None) -> str:
    """What a token of the dataset is; for a text of TFDS, what is `wanted`.

    Raises ValueError for an unknown dataset.
    """
    if _is_tfds(dataset) and wanted:
        return wanted
    if dataset not in DATASETS:
        raise ValueError(
            f"dataset={dataset} is unknown: give one of {', '.join(DATASETS)}, tfds:NAME"
        )
    return DATASETS[dataset]
