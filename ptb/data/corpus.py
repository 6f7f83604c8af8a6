"""A corpus: the ids of train, valid and test, and the vocabulary of the train split."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ptb.data import cache, standard, subword, text, unknown
from ptb.data.files import find, read
from ptb.data.grammar import Grammar, default_grammar, generate
from ptb.data.options import SPLITS, WHOLE, TextOptions, unicode_of
from ptb.data.summary import Extents, SplitSummary, summarize
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary

DEFAULT_SHARES = (90.0, 5.0, 5.0)


@dataclass(frozen=True)
class Corpus:
    """A text as token ids in three splits, with its vocabulary.

    Attributes:
      name: the name of the text.
      vocabulary: the words, in the order of their ids.
      splits: int32 ids `[N]` for each split: "train", "valid", "test". A split may be absent.
      summary: a `ptb.data.summary.SplitSummary` of each split.
      tokens: what one token is: one of `ptb.data.text.TOKENS`.
      source: how to find the same text again, as plain values: `dataset` and `data_dir`, or
        `data_path`; the `TextOptions`; the version of the reading rules (`ptb.data.text.READING`),
        and that of Unicode if they depend on it.
      grammar: the grammar of a generated text, which gives the lowest possible perplexity. None for
        any other text.
      files: the file of each split.
      notes: what was left out of the files.
      reasons: why words became `<unk>`, if the vocabulary was made from this text.
    """

    name: str
    vocabulary: Vocabulary
    splits: dict[str, np.ndarray] = field(repr=False)
    summary: dict[str, SplitSummary] = field(default_factory=dict)
    tokens: str = "word"
    source: dict = field(default_factory=dict)
    grammar: Grammar | None = None
    files: dict[str, Path] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def __post_init__(self):
        """Raises ValueError for ids that are no vector, or outside the vocabulary."""
        ids = {split: _vector(split, each) for split, each in self.splits.items()}
        for split, each in ids.items():
            last = len(self.vocabulary) - 1
            if len(each) and (each.min() < 0 or each.max() > last):
                raise ValueError(
                    f"the {split} split has ids from {each.min()} to {each.max()}, and the "
                    f"vocabulary from 0 to {last}: give the vocabulary of these ids"
                )
        object.__setattr__(self, "splits", ids)

    @property
    def train(self) -> np.ndarray:
        return self.splits["train"]

    @property
    def valid(self) -> np.ndarray:
        return self.splits["valid"]

    @property
    def test(self) -> np.ndarray:
        return self.splits["test"]

    def unigram_perplexity(self, split: str) -> float:
        """The perplexity of a model that knows only the frequency of each word in train.

        Each word's count is increased by a half, so that no word has probability zero.
        """
        counts = np.bincount(self.train, minlength=len(self.vocabulary)) + 0.5
        nats = -np.log(counts / counts.sum())
        return float(np.exp(nats[self.splits[split][1:]].mean()))

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the vocabulary and all ids. Equal texts have equal fingerprints."""
        digest = hashlib.sha256(self.vocabulary.to_text().encode())
        for name, ids in sorted(self.splits.items()):
            digest.update(f"\n{name} {len(ids)}\n".encode())
            digest.update(np.ascontiguousarray(ids, "<i4"))
        return digest.hexdigest()

    @cached_property
    def split_fingerprints(self) -> dict[str, str]:
        """The sha256 of the ids of each split."""
        return {
            name: hashlib.sha256(np.ascontiguousarray(ids, "<i4")).hexdigest()
            for name, ids in self.splits.items()
        }


def _vector(split: str, ids) -> np.ndarray:
    """The ids of a split as int32 `[N]`. Raises ValueError for anything else than a vector."""
    ids = np.asarray(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise ValueError(
            f"the {split} split is {ids.dtype} of shape {list(ids.shape)}: give integers [N]"
        )
    if ids.dtype == np.int32:
        return ids
    limits = np.iinfo(np.int32)
    return np.clip(ids, limits.min, limits.max).astype(np.int32)


def load_text(
    data_path: str | Path,
    vocab_size: int | None = None,
    splits: tuple[str, ...] = SPLITS,
    optional_splits: tuple[str, ...] = (),
    vocabulary: Vocabulary | None = None,
    options: TextOptions | None = None,
    cache_dir: str | Path | None = None,
) -> Corpus:
    """Reads the text at `data_path`: a folder with a file for each split, or one file to be cut.

    In a folder the files are `ptb.{train,valid,test}.txt` or `{train,valid,test}.txt`, plain or
    `.gz`. One file is cut by `options.shares`. The vocabulary is made from the train split, capped
    at `vocab_size` words, unless one is given (that of an earlier run). Only the named `splits`
    are read, and train where the vocabulary must be made; a missing one of the `optional_splits`
    is skipped. The ids of a long text are cached in `cache_dir`, if it is given.

    Raises ValueError if a file is missing, empty, not UTF-8, or has a word that the
    vocabulary cannot encode.
    """
    path, options = Path(data_path), options or TextOptions()
    if path.is_file() and options.shares is None:
        options = dataclasses.replace(options, shares=DEFAULT_SHARES)
    required = splits if vocabulary else tuple(dict.fromkeys((*splits, "train")))
    files = find(path, required, optional_splits, options)
    kept = tuple(split for split in files if split in splits + optional_splits)
    return _load(path, files, kept, vocabulary, vocab_size, options, cache_dir)


def load_whole(
    data_path: str | Path,
    vocabulary: Vocabulary,
    options: TextOptions,
    cache_dir: str | Path | None = None,
) -> Corpus:
    """Reads all of one file as the only split, `WHOLE`, with a given vocabulary.

    Raises ValueError as `load_text` does.
    """
    path, options = Path(data_path), dataclasses.replace(options, shares=None)
    if not path.is_file():
        raise ValueError(f"data_path {str(data_path)!r} is not a file: give one text file")
    return _load(path, {WHOLE: path}, (WHOLE,), vocabulary, None, options, cache_dir)


def _load(
    path: Path,
    files: dict[str, Path],
    kept: tuple[str, ...],
    vocabulary: Vocabulary | None,
    vocab_size: int | None,
    options: TextOptions,
    cache_dir: str | Path | None,
) -> Corpus:
    """The splits `kept` of the text in `files`, or of the cached ids."""
    settings = dataclasses.asdict(options) | unicode_of(options.tokens, options.lowercase)
    known = vocabulary.to_text() if vocabulary else None
    by_bytes = options.shares is not None and standard.is_cut_by_bytes(path, options.tokens)
    key = [settings, text.READING, vocab_size, known, kept, by_bytes]
    entry = cache.Entry(cache_dir, files, key)
    corpus = entry.load(Corpus)
    if corpus is None:
        numbers = text.lexicon(options.tokens)
        texts, contents = read(files, numbers, options)
        limits = (vocab_size, options.min_count)
        corpus = _corpus(
            path.name, texts, (numbers.tokens, options.tokens), vocabulary, limits, kept, files
        )
        notes = tuple(line for content in contents.values() for line in content.notes)
        corpus = dataclasses.replace(corpus, notes=notes)
        corpus = _with_losses(corpus, numbers)
        entry.save(corpus, {path: content.sha256 for path, content in contents.items()})
    lengths = {split: len(ids) for split, ids in corpus.splits.items()}
    resolved = path.resolve()
    return dataclasses.replace(
        corpus,
        name=resolved.name,
        tokens=options.tokens,
        source={"data_path": str(resolved), **settings, "reading": text.READING},
        files=files,
        notes=(
            *corpus.notes,
            *standard.notes(files, lengths, options.tokens),
            *_equal_splits(corpus),
        ),
    )


def load_tfds(
    dataset: str,
    data_dir: str | Path | None = None,
    vocab_size: int | None = None,
    splits: tuple[str, ...] = SPLITS,
    optional_splits: tuple[str, ...] = (),
    vocabulary: Vocabulary | None = None,
    options: TextOptions | None = None,
) -> Corpus:
    """Reads a text of TFDS, `tfds:NAME`; see `ptb.data.tfds_text`.

    Raises ValueError if it cannot be fetched, has no such text or split, or has a word that the
    vocabulary cannot encode.
    """
    from ptb.data.tfds_text import TfdsText, blocks_of_texts  # noqa: PLC0415

    wanted, options = TfdsText.parse(dataset), options or TextOptions()
    if options.shares:
        raise ValueError(
            f"--split cuts one file: write the splits as {dataset},train=...,valid=..."
        )
    blocks, found = blocks_of_texts(wanted, data_dir)
    required = splits if vocabulary else tuple(dict.fromkeys((*splits, "train")))
    if missing := [split for split in required if split not in found]:
        raise ValueError(
            f"{dataset} has no {missing[0]} split: add ,{missing[0]}=SPLIT to its name"
        )
    numbers = text.lexicon(options.tokens)
    names = [split for split in (*required, *optional_splits) if split in found]
    texts = {split: text.encode(blocks(split), numbers, options.lowercase)[0] for split in names}
    kept = tuple(split for split in names if split in splits + optional_splits)
    named, limits = (numbers.tokens, options.tokens), (vocab_size, options.min_count)
    corpus = _corpus(wanted.name, texts, named, vocabulary, limits, kept)
    corpus = _with_losses(corpus, numbers)
    settings = {name: getattr(options, name) for name in ("tokens", "lowercase", "min_count")}
    folder = str(Path(data_dir).resolve()) if data_dir else None
    source = {"dataset": dataset, "data_dir": folder, **settings}
    source |= unicode_of(options.tokens, options.lowercase)
    notes = tuple(
        f"{split} is {found[split]} of {wanted.name}" for split in kept if "[" in found[split]
    )
    notes += _equal_splits(corpus)
    return dataclasses.replace(corpus, source=source, notes=notes)


def load_penn_treebank(
    tokens: str = "word",
    data_dir: str | Path | None = None,
    vocab_size: int | None = None,
    splits: tuple[str, ...] = SPLITS,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Reads Penn Treebank through TFDS, which downloads it to `data_dir` the first time.

    `tokens` is "word" or "char". For words, the ids equal those of `load_text` for the text files.
    For characters they do not: the dataset has one space between words and none at the ends of a
    line, while the files have spaces there, which `load_text` keeps.

    Raises ValueError, with instructions, if the text cannot be downloaded.
    """
    from ptb.data.penn_treebank.sentences import blocks_of_sentences  # noqa: PLC0415

    numbers = text.lexicon(tokens)
    blocks = blocks_of_sentences(tokens, data_dir)
    read_splits = splits if vocabulary else tuple(dict.fromkeys((*splits, "train")))
    texts = {split: text.encode(blocks(split), numbers)[0] for split in read_splits}
    dataset = "ptb" if tokens == "word" else "ptb_char"
    folder = str(Path(data_dir).resolve()) if data_dir else None
    source = {"dataset": dataset, "data_dir": folder, "tokens": tokens}
    named = (numbers.tokens, tokens)
    corpus = _corpus(dataset, texts, named, vocabulary, (vocab_size, None), splits)
    return dataclasses.replace(corpus, source=source)


def built_in(vocab_size: int | None = None, vocabulary: Vocabulary | None = None) -> Corpus:
    """The corpus that needs no file: generated from a grammar whose perplexity floor is known."""
    numbers = text.lexicon("word")
    texts = {
        split: text.encode([" ".join(words)], numbers)[0] for split, words in generate().items()
    }
    named = (numbers.tokens, "word")
    corpus = _corpus("grammar", texts, named, vocabulary, (vocab_size, None))
    # With a capped vocabulary it is another text, whose floor nobody computed.
    grammar = default_grammar() if corpus.vocabulary.unknown_id is None else None
    source = {"dataset": "grammar", "tokens": "word"}
    return dataclasses.replace(corpus, source=source, grammar=grammar)


def _corpus(
    name: str,
    texts: dict[str, np.ndarray],
    named: tuple[list[str], str],
    vocabulary: Vocabulary | None,
    limits: tuple[int | None, int | None],
    kept: Sequence[str] = SPLITS,
    files: Mapping[str, Path] = MappingProxyType({}),
) -> Corpus:
    """Turns the numbers of a lexicon, in place, into the ids of the vocabulary.

    `named` are the tokens of the lexicon, and the kind of tokens (`text.TOKENS`). `limits` are
    vocab_size and min_count, used if the vocabulary must be made. `kept` are the splits of the
    corpus; errors name the `files`.
    """
    tokens, kind = named
    if kind == "subword":
        return _subword_corpus(name, texts, tokens, vocabulary, limits, kept)
    counts = {split: text.count(ids, len(tokens)) for split, ids in texts.items()}
    reasons: tuple[str, ...] = ()
    if vocabulary is None:
        vocabulary, made_by = _vocabulary(tokens, counts, *limits)
        reasons = tuple(unknown.reasons(tokens, counts, vocabulary, made_by, kind))
    if set(vocabulary.words) <= {EOS, UNKNOWN}:
        raise ValueError(
            f"every word became {UNKNOWN}: no word of train is frequent enough for --min_count (by "
            "default 2 if other splits have other words) and --vocab_size; give --tokens=char or "
            "--tokens=subword, which need no spaces between words, or more text"
        )
    table = np.array([vocabulary.id_of(token) for token in tokens], np.int32)
    extents = Extents(tokens, kind)
    summary = {}
    for split in kept:
        if lacking := np.flatnonzero((counts[split] > 0) & (table < 0)).tolist():
            where = f"{files[split]}: " if split in files else ""
            raise ValueError(f"{where}{vocabulary.cannot_encode(tokens[lacking[0]])}")
        sizes = extents.counts(texts[split])
        text.renumber(texts[split], table)
        summary[split] = summarize(texts[split], counts[split], vocabulary, sizes)
    ids = {split: texts[split] for split in kept}
    return Corpus(name, vocabulary, ids, summary, kind, reasons=reasons)


def _equal_splits(corpus: Corpus) -> tuple[str, ...]:
    """A note for each pair of splits with the same text: the second measures no new text."""
    splits, counts = corpus.splits, corpus.summary  # counts differ where only <unk> is alike
    return tuple(
        f"{one} and {other} have the same tokens: the perplexity of {other} says nothing of text "
        + ("that was not trained on" if one == "train" else "that the best epoch was not chosen by")
        for one, other in itertools.combinations(splits, 2)
        if counts[one] == counts[other] and np.array_equal(splits[one], splits[other])
    )


def _with_losses(corpus: Corpus, numbers) -> Corpus:
    """The corpus, whose summaries say what the text lost when the lexicon `numbers` read it."""
    losses = {name: getattr(numbers, name) for name in ("lacks_spaces", "lacks_capitals")}
    summary = {split: dataclasses.replace(row, **losses) for split, row in corpus.summary.items()}
    return dataclasses.replace(corpus, summary=summary)


def _subword_corpus(
    name: str,
    texts: dict[str, np.ndarray],
    pieces: list[str],
    vocabulary: Vocabulary | None,
    limits: tuple[int | None, int | None],
    kept: Sequence[str],
) -> Corpus:
    """Turns the numbers of pieces into the ids of their subwords, which train alone gives.

    Characters and words are counted by piece. Of the first piece, the first subword counts for
    neither, as nothing predicts it.
    """
    vocab_size, min_count = limits
    if min_count is not None:
        raise ValueError(
            f"--min_count={min_count} has no effect with --tokens=subword: leave it out"
        )
    if vocabulary is None:
        counts = text.count(texts["train"], len(pieces)).tolist()
        known = dict(zip(pieces, counts, strict=True))
        vocabulary = subword.learn({p: n for p, n in known.items() if p != EOS}, vocab_size)
    extents, expand = Extents(pieces, "subword"), subword.Expansion(pieces, vocabulary)
    splits, summary = {}, {}
    for split in kept:
        splits[split] = expand(texts[split])
        counts = text.count(splits[split], len(vocabulary))
        sizes = extents.counts(texts[split])
        first, *rest = expand(texts[split][:1])
        if rest:
            sizes = _within_piece(sizes, vocabulary.words[first])
        summary[split] = summarize(splits[split], counts, vocabulary, sizes)
    return Corpus(name, vocabulary, splits, summary, "subword")


def _within_piece(sizes: tuple[int, int, int, int], first: str) -> tuple[int, int, int, int]:
    """Extents whose first token is a piece of several subwords, for its first subword instead.

    A character belongs to the subword in which it begins, a word to that in which it ends.
    """
    characters, words, first_characters, first_words = sizes
    begun = sum(byte & 0xC0 != 0x80 for byte in subword.to_bytes(first))
    return characters + first_characters - begun, words + first_words, begun, 0


def _vocabulary(
    tokens: list[str], counts: dict[str, np.ndarray], vocab_size: int | None, min_count: int | None
) -> tuple[Vocabulary, unknown.Limits]:
    """The vocabulary of train, and the limits that were used.

    `TextOptions` explains a `min_count` of None.
    """
    in_train = counts["train"] > 0
    # A text of one line has its only <eos> in the last split.
    train = {EOS: 0} | {tokens[i]: int(counts["train"][i]) for i in np.flatnonzero(in_train)}
    vocabulary = Vocabulary.from_counts(train, vocab_size, min_count or 1)
    lacks = ~in_train & np.array([token != EOS for token in tokens])
    lacking = any(np.any(split_counts[lacks]) for split_counts in counts.values())
    if min_count is not None or UNKNOWN in vocabulary or not lacking:
        return vocabulary, unknown.Limits(vocab_size, min_count or 1, min_count is not None)
    vocabulary = Vocabulary.from_counts(train | {UNKNOWN: 0}, vocab_size, min_count=2)
    return vocabulary, unknown.Limits(vocab_size, 2, is_given=False)
