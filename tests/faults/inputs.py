"""A table of wrong input: what is given, and the line that must come of it.

Every case runs in a folder with a small text in `text/`, a finished run of it in `run/`, a record
of that in `record/`, and an empty file `file`. Every one must end with exit status 1 and one line
on stderr.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ptb.runs.checkpoint import load_checkpoint, save_checkpoint
from tests.faults import harness
from tests.forked import run

TRAIN, EVALUATE, GENERATE, EXPORT = "train.py", "evaluate.py", "ptb generate", "ptb export"
SERVE, EXPLAIN, BENCHMARK = "ptb serve", "ptb explain", "ptb benchmark"
ORIGINAL = "ptb original"
LAUNCH, VECTORS, RUNS = "ptb launch", "ptb vectors", "ptb runs"
RECORD, VERIFY, TABLE, CURVES, LARGE_START = (
    f"ptb {name}" for name in ("record", "verify", "table", "curves", "large_start")
)
MODEL = ("--model=test",)
TEXT = (*MODEL, "--data_path=text")
RUN = ("--save_path=run",)


UTF_16 = "a b\n".encode("utf-16-le") * 9
ZIP, ZEROS = b"PK\x03\x04 and more", gzip.compress(bytes(1_000_000))


class Case(NamedTuple):
    """`damage` changes the folder first; `message` is a part of the line."""

    script: str
    flags: tuple[str, ...]
    message: str
    damage: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Write:
    """Puts something in the place of a file."""

    path: str
    content: bytes | str

    def __call__(self, folder: Path) -> None:
        content = self.content
        path = folder / self.path
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@dataclass(frozen=True)
class Edit:
    """Puts a value into the run's config.json; `keys` lead to it."""

    keys: tuple[str, ...]
    value: object

    def __call__(self, folder: Path) -> None:
        path = folder / "run" / "config.json"
        description = inner = json.loads(path.read_text())
        for key in self.keys[:-1]:
            inner = inner[key]
        inner[self.keys[-1]] = self.value
        path.write_text(json.dumps(description))


@dataclass(frozen=True)
class Words:
    """Puts other words into the run's vocabulary.txt, with their checksum in config.json."""

    content: str

    def __call__(self, folder: Path) -> None:
        Write("run/vocabulary.txt", self.content)(folder)
        checksum = hashlib.sha256(self.content.encode()).hexdigest()
        Edit(("corpus", "vocabulary_sha256"), checksum)(folder)


@dataclass(frozen=True)
class Weight:
    """Puts a weight of that shape into the run's best checkpoint, or takes it away."""

    name: str
    shape: tuple[int, ...] | None

    def __call__(self, folder: Path) -> None:
        path = folder / "run" / "checkpoints" / "best.safetensors"
        saved = load_checkpoint(path)
        weights = {name: weight for name, weight in saved.weights.items() if name != self.name}
        if self.shape:
            weights[self.name] = np.zeros(self.shape, np.float32)
        path.unlink()
        save_checkpoint(path, dataclasses.replace(saved, weights=weights))


def _fifo(folder: Path) -> None:
    (folder / "text" / "train.txt").unlink()
    os.mkfifo(folder / "text" / "train.txt")


def _directory(folder: Path) -> None:
    (folder / "run" / "config.json").unlink()
    (folder / "run" / "config.json").mkdir()


def _no_text(folder: Path) -> None:
    (folder / "text").rename(folder / "moved")


def _no_best(folder: Path) -> None:
    (folder / "run" / "checkpoints" / "best.safetensors").unlink()


def _no_model(folder: Path) -> None:
    (folder / "export" / "1").mkdir(parents=True)
    (folder / "export" / "1" / "model_card.json").write_text("{}")


def _bad_flag(name: str, *values: str) -> list[Case]:
    return [Case(TRAIN, (*MODEL, f"--{name}={value}"), name) for value in values]


def _bad_flag_of(script: str, *flags: str) -> list[Case]:
    return [Case(script, (flag,), flag.partition("=")[0].lstrip("-")) for flag in flags]


FLAGS_OF_TRAIN = [
    *_bad_flag("num_steps", "0", "-1", "1001", "many", "1.5", "", "1e3"),
    *_bad_flag("batch_size", "0", "100001", "99999"),
    *_bad_flag("hidden_size", "0", "8193", "1000000"),
    *_bad_flag("num_layers", "0", "65"),
    *_bad_flag("num_epochs", "0", "100001", "9" * 5000),
    *_bad_flag("learning_rate", "0", "-1", "nan", "inf", "1e7", "fast"),
    *_bad_flag("constant_epochs", "-1"),
    *_bad_flag("learning_rate_decay", "0", "1.1"),
    *_bad_flag("max_grad_norm", "0", "nan", "-5"),
    *_bad_flag("keep_prob", "0", "1.5", "nan"),
    *_bad_flag("init_scale", "-0.1", "inf", "101"),
    *_bad_flag("forget_bias", "nan", "1000"),
    *_bad_flag("vocab_size", "1", "-7", "10000001"),
    *_bad_flag("seed", "-1", "2147483648"),
    *_bad_flag("cell", "transformer", ""),
    *_bad_flag("rnn_mode", "magic"),
    *_bad_flag("sampling", "sorted"),
    *_bad_flag("model", "huge", "", "small\nmedium", "\x1b[31m", "\udcff"),
    *_bad_flag("dataset", "wikitext"),
    *_bad_flag("ema_momentum", "1", "-0.1", "nan"),
    *_bad_flag("keep", "0", "1001", "all"),
    *(
        Case(TRAIN, (*MODEL, "--save_path=new", f"--checkpoint_every={every}"), "checkpoint_every=")
        for every in ("", "soon", "5", "0s", "-5s", "1e9s", "99999999999w")
    ),
    *_bad_flag("on_divergence", "pray"),
    *_bad_flag("distribution", "telepathy"),
    *_bad_flag("num_devices", "0", "65"),
    *_bad_flag("worker_timeout", "1", "soon"),
    Case(TRAIN, (*MODEL, "--distribution=multi_worker"), "TF_CONFIG"),
    *_bad_flag("lowercase", "maybe"),
    Case(TRAIN, ("--on_divergence=rollback",), "give a save_path"),
    Case(TRAIN, ("--num_stepz=3",), "num_stepz"),
    Case(TRAIN, (*MODEL, "--weight_decay=0.5"), "--optimizer=adamw"),
    Case(TRAIN, (*MODEL, "--warmup=0.3"), "--schedule=linear"),
    Case(TRAIN, (*MODEL, "--adaptive_cutoffs=3"), "--softmax=adaptive"),
    Case(TRAIN, ("--model=fast", "--schedule=linear", "--constant_epochs=9"), "--schedule=step"),
    Case(
        TRAIN,
        (*MODEL, "--cell=gru", "--forget_bias=1"),
        "--cell=lstm or peephole_lstm",
    ),
    Case(TRAIN, ("leftover",), "'leftover'"),
    *_bad_flag("early_stopping", "-1", "soon"),
    *_bad_flag("sample_every", "-1", "often"),
    Case(TRAIN, (*MODEL, "--change=learning_rate"), "--change=learning_rate has no effect without"),
    Case(TRAIN, (*TEXT, "--keep=3"), "--keep=3 has no effect without --save_path: add that, or"),
    Case(TRAIN, (*TEXT, "--checkpoint_every=9s"), "--checkpoint_every=9s has no effect without"),
    Case(TRAIN, (*TEXT, "--worker_timeout=9"), "without --distribution=multi_worker"),
    Case(TRAIN, (*TEXT, *RUN, "--change=hidden_size"), "change=hidden_size: within a run"),
    Case(TRAIN, (*TEXT, *RUN, "--learning_rate=0.1"), "--change=learning_rate if"),
    Case(TRAIN, (*TEXT, "--reset_at=blank_line"), "the train split has only one document"),
    Case(TRAIN, (*TEXT, "--reset_at=page"), "choose from none, line, blank_line"),
    Case(TRAIN, (*TEXT, "--epochs=3"), "num_epochs"),
    Case(TRAIN, (*TEXT, "--num_epochs=ten"), "--num_epochs=ten: give an integer"),
    Case(TRAIN, (*TEXT, "--learning_rate=fast"), "--learning_rate=fast: give a number"),
    Case(TRAIN, (*TEXT, "--init_from=nowhere"), "--init_from: 'nowhere' holds no run"),
    Case(TRAIN, (*TEXT, "--tokens=char", "--init_from=run"), "init_from=run has tokens=word"),
    Case(TRAIN, (*TEXT, "--init_vectors=nowhere"), "--init_vectors: 'nowhere' cannot be read"),
    Case(TRAIN, (*TEXT, "--init_vectors=file"), "has no word of the vocabulary"),
    Case(TRAIN, (*TEXT, "--init_vectors=text/test.txt"), "line 1 is not a word"),
    Case(RUNS, (), "name one folder"),
    Case(RUNS, ("nowhere",), "'nowhere' is no folder"),
    Case(RUNS, ("text",), "'text' has no run"),
    Case(RUNS, (".", "--png=text/test.txt"), "exists with other content"),
    Case(VECTORS, (), "--save_path is missing"),
    Case(VECTORS, (*RUN, "--of=cells"), "of"),
    Case(VECTORS, (*RUN, "--data_path=text"), "has no effect with --save_path"),
    Case(VECTORS, (*RUN, "--out=text/test.txt"), "exists with other content"),
    Case(VECTORS, (*RUN, "--out=no/vectors.txt"), "cannot be written"),
    Case(TRAIN, ("--cell=gru", "--rnn_mode=fused"), "rnn_mode=fused "),
    Case(TRAIN, ("--hidden_size=8000", "--num_layers=60"), "GiB for weights and gradients"),
    Case(TRAIN, (*MODEL, "--vocab_size=5", "--min_count=9999999"), "for the text in --data_path"),
]
TEXTS_OF_TRAIN = [
    Case(TRAIN, (*MODEL, "--data_path="), "--data_path=: is empty"),
    Case(TRAIN, (*MODEL, "--data_path=nowhere"), "'nowhere' is not a folder"),
    Case(TRAIN, (*MODEL, "--data_path=a\nb"), r"'a\nb' is not a folder"),
    Case(TRAIN, (*MODEL, "--data_path=/dev/zero"), "'/dev/zero' is not a regular file"),
    Case(TRAIN, (*MODEL, "--data_path=file"), "file is empty"),
    Case(TRAIN, (*MODEL, "--data_path=" + "x" * 5000), "(File name too long)"),
    Case(TRAIN, (*TEXT, "--dataset=ptb"), "--data_path=text and --dataset=ptb"),
    Case(TRAIN, (*TEXT, "--tokens=byte"), "tokens=byte"),
    Case(TRAIN, (*TEXT, "--tokens=subword", "--vocab_size=256"), "too small for subwords"),
    Case(TRAIN, (*TEXT, "--tokens=subword", "--min_count=2"), "--min_count=2"),
    Case(TRAIN, (*TEXT, "--min_count=0"), "min_count=0"),
    Case(TRAIN, (*TEXT, "--min_count=999"), "every word"),
    Case(TRAIN, (*TEXT, "--split=90,5,5"), "--split"),
    Case(TRAIN, (*MODEL, "--data_path=text/train.txt", "--split=90,5"), "split=90,5"),
    Case(TRAIN, (*MODEL, "--data_path=text/train.txt", "--split=90,5,6"), "split=90,5,6"),
    Case(TRAIN, (*MODEL, "--data_path=text/train.txt", "--split=a,b,c"), "split=a,b,c"),
    Case(TRAIN, (*MODEL, "--data_path=text/train.txt", "--split=nan,50,50"), "split=nan,50,50"),
    Case(TRAIN, (*MODEL, "--data_path=text/train.txt", "--split=90,10,nan"), "split=90,10,nan"),
    Case(TRAIN, (*MODEL, "--data_path=text/train.txt", "--split=100,0,0"), "the valid split"),
    Case(TRAIN, (*TEXT, "--batch_size=5000"), "too short: batch_size=5000"),
    Case(TRAIN, (*MODEL, "--data_dir="), "--data_dir=: is empty"),
    *(
        Case(program, (*flags, flag), f"{flag} has no effect without --{needed}")
        for program, flags in ((TRAIN, MODEL), (EXPLAIN, ()))
        for flag, needed in (("--data_dir=text", "dataset=ptb"), ("--cache_dir=no", "data_path"))
    ),
    Case(TRAIN, (*TEXT, "--data_dir=text"), "--data_dir=text has no effect without --dataset=ptb"),
    Case(
        TRAIN,
        (*TEXT, "--num_steps=1", "--temporal_activation_regularization=1"),
        "--temporal_activation_regularization=1.0 has no effect with --num_steps=1",
    ),
    Case(TRAIN, ("--dataset=ptb", "--data_dir=/proc/nowhere"), "'/proc/nowhere"),
    Case(TRAIN, ("--dataset=ptb", "--data_dir=file/tfds"), "'file/tfds"),
    Case(TRAIN, ("--dataset=web",), "dataset=web is unknown"),
    Case(TRAIN, ("--dataset=tfds:../web",), "write tfds:NAME"),
    Case(TRAIN, ("--dataset=tfds:web,fields=text",), "write tfds:NAME"),
    Case(TRAIN, TEXT, "valid.txt is empty", Write("text/valid.txt", "")),
    Case(TRAIN, TEXT, "NUL (byte 1); it looks like UTF-16", Write("text/valid.txt", UTF_16)),
    Case(TRAIN, (*MODEL, "--data_path=a.zip"), "a.zip is a zip archive", Write("a.zip", ZIP)),
    Case(TRAIN, (*MODEL, "--data_path=a.tgz"), "compressed by gzip", Write("a.tgz", ZEROS)),
    Case(TRAIN, (*MODEL, "--data_path=a.gz"), "a.gz has a NUL (byte 0)", Write("a.gz", ZEROS)),
    Case(TRAIN, (*MODEL, "--data_path=a.txt"), "than 100,000 cha", Write("a.txt", "x" * 200_000)),
    Case(TRAIN, TEXT, "valid.txt is not UTF-8 (byte 3)", Write("text/valid.txt", b"a b\xff\n")),
    Case(TRAIN, (*TEXT, "--min_count=1"), "the word 'z' is", Write("text/valid.txt", "z\na\n" * 9)),
    Case(TRAIN, TEXT, "the valid split is too short", Write("text/valid.txt", "\n")),
    Case(TRAIN, TEXT, "the train split is missing", _fifo),
    Case(
        TRAIN,
        (*MODEL, "--data_path=one.txt", "--batch_size=1", "--num_steps=1", "--split=60,38,2"),
        "the test split is too short",
        Write("one.txt", "a b c d\n" * 10 + "\n"),
    ),
    Case(
        TRAIN,
        (*MODEL, "--data_path=bad.gz"),
        "bad.gz is a damaged .gz",
        Write("bad.gz", gzip.compress(b"a b\n" * 999)[:-9]),
    ),
    Case(TRAIN, (*MODEL, "--data_path=bad.gz"), "damaged .gz", Write("bad.gz", "no gzip")),
]
FOLDERS_OF_TRAIN = [
    Case(TRAIN, (*MODEL, "--save_path="), "--save_path=: is empty"),
    Case(TRAIN, (*MODEL, "--save_path=file"), "'file' cannot be written"),
    Case(TRAIN, (*MODEL, "--save_path=file/run"), "(Not a directory)"),
    Case(TRAIN, (*MODEL, "--save_path=/proc/run"), "'/proc/run' cannot be written"),
    Case(TRAIN, (*MODEL, "--save_path=" + "x" * 300), "(File name too long)"),
    Case(TRAIN, (*TEXT, *RUN, "--seed=7"), "seed was 1"),
    Case(TRAIN, (*TEXT, *RUN, "--keep_prob=0.5"), "keep_prob was 1.0"),
    Case(TRAIN, (*MODEL, *RUN), "the corpus was text ("),
    Case(TRAIN, (*TEXT, *RUN), "the corpus was text (", Write("text/train.txt", "a b c d\n" * 500)),
    Case(TRAIN, (*TEXT, *RUN), "config.json", Write("run/config.json", "{")),
    Case(TRAIN, (*TEXT, *RUN), "config.json", Write("run/config.json", "")),
    Case(TRAIN, (*TEXT, *RUN), "config.json", _directory),
]
FLAGS_OF_EVALUATE = [
    Case(EVALUATE, (), "--save_path is missing"),
    Case(EVALUATE, ("--save_path=",), "--save_path=: is empty"),
    Case(EVALUATE, ("--save_path=nowhere",), "'nowhere' holds no run"),
    Case(EVALUATE, ("--save_path=file",), "'file' holds no run"),
    Case(EVALUATE, ("--tutorial_checkpoint=x",), "--data_path is missing"),
    Case(EVALUATE, ("--tutorial_checkpoint=x", "--checkpoint=best"), "--save_path"),
    Case(EVALUATE, (*RUN, "--checkpoint=oldest"), "--checkpoint=oldest"),
    Case(EVALUATE, (*RUN, "--split=nope"), "split"),
    Case(EVALUATE, (*RUN, "--batch_size=0"), "batch_size"),
    Case(EVALUATE, (*RUN, "--batch_size=100001"), "batch_size"),
    Case(EVALUATE, (*RUN, "--batch_size=90000"), "batch_size=90000"),
    Case(EVALUATE, (*RUN, "--num_steps=0"), "num_steps"),
    Case(EVALUATE, (*RUN, "--num_steps=1001"), "num_steps"),
    Case(EVALUATE, (*RUN, "--json=maybe"), "json"),
    Case(EVALUATE, (*RUN, "--neural_cache=-1"), "neural_cache"),
    Case(EVALUATE, (*RUN, "--neural_cache=9", "--dynamic_evaluation"), "give only one of"),
    Case(EVALUATE, (*RUN, "--cache_share=0.5"), "without --neural_cache"),
    Case(EVALUATE, (*RUN, "--dynamic_rate=1"), "without --dynamic_evaluation"),
    Case(EVALUATE, (*RUN, "--neural_cache=9", "--cache_share=nan"), "cache_share=nan"),
    Case(EVALUATE, (*RUN, "--dynamic_evaluation", "--dynamic_decay=nan"), "dynamic_decay=nan"),
    Case(
        EVALUATE,
        (*RUN, "--neural_cache=1000000", "--num_steps=1000", "--batch_size=5"),
        "--neural_cache=1000000",
    ),
    Case(EVALUATE, (*RUN, "--hidden_size=3"), "hidden_size"),
    Case(EVALUATE, (*RUN, "more"), "'more'"),
    Case(
        EVALUATE, (*RUN, "text/test.txt", "--data_path=text"), "give only one of --data_path=text"
    ),
    Case(EVALUATE, (*RUN, "text/test.txt", "--split=valid"), "--split=valid: named files"),
    Case(EVALUATE, (*RUN, "-", "-"), "standard input can be read only once"),
    Case(EVALUATE, (*RUN, "--data_path=-"), "standard input is empty"),
    Case(EVALUATE, (*RUN, "--format=csv"), "--format=csv has no effect without --per_line"),
    Case(EVALUATE, (*RUN, "--line_state=fresh"), "has no effect without --per_line"),
    Case(
        EVALUATE,
        (*RUN, "--per_line", "--line_state=fresh", "--reset_at=line"),
        "leave out --reset_at=line",
    ),
    Case(EVALUATE, (*RUN, "--per_line", "--json"), "--format=jsonl"),
    Case(
        EVALUATE,
        (*RUN, "--per_line", "--line_state=fresh", "--neural_cache=3"),
        "use --line_state=carried",
    ),
    Case(EVALUATE, (*RUN, "--data_path=nowhere"), "'nowhere' is not a folder"),
    *(
        Case(EVALUATE, (*RUN, f"--data_path={path}", "--dataset=ptb"), "give only one of --data_p")
        for path in ("text", "text/valid.txt")
    ),
    Case(
        EVALUATE,
        (*RUN, "--data_path=text/valid.txt", "--split=test"),
        "--split=test",
    ),
    Case(EVALUATE, (*RUN, "--data_path=file"), "file is empty"),
    Case(EVALUATE, (*RUN, "--dataset=ptb_char"), "the run has tokens=word"),
    Case(EVALUATE, RUN, "is not a folder or file", _no_text),
    Case(EVALUATE, RUN, "test.txt is empty", Write("text/test.txt", "")),
    Case(EVALUATE, RUN, "tokens and had", Write("text/test.txt", "a b c d\n" * 7)),
    Case(EVALUATE, RUN, "the word 'q'", Write("text/test.txt", "q\n" * 100)),
    Case(EVALUATE, RUN, "'run' has no best epoch", _no_best),
    Case(
        EVALUATE, RUN, "best.safetensors is damaged", Write("run/checkpoints/best.safetensors", "")
    ),
    Case(
        EVALUATE,
        RUN,
        "best.safetensors is damaged",
        Write("run/checkpoints/best.safetensors", bytes(5000)),
    ),
]
NO_DESCRIPTIONS = ("[]", "7", "null", "[" * 100_000, '{"config": 1e999}', " " * 2_000_000, b"\x80")
HUGE = {"hidden_size": 8192, "num_layers": 64}
UNTRUSTED_RUNS = [
    Case(EVALUATE, RUN, "vocabulary.txt", Write("run/vocabulary.txt", "")),
    Case(EVALUATE, RUN, "vocabulary.txt", Write("run/vocabulary.txt", b"\xff\n")),
    Case(EVALUATE, RUN, "is not the vocabulary", Write("run/vocabulary.txt", "a\nb\n")),
    Case(EVALUATE, RUN, "is not the voc", Write("run/vocabulary.txt", b"a\n" * 10_000_000)),
    *(
        Case(EVALUATE, RUN, "config.json", Write("run/config.json", content))
        for content in NO_DESCRIPTIONS
    ),
    *(
        Case(EVALUATE, RUN, "config.json", Edit(keys, value))
        for keys, value in [
            (("config",), [1]),
            (("config", "hidden_size"), 10**9),
            (("config", "hidden_size"), "8"),
            (("config", "hidden_size"), True),
            (("config", "num_layers"), 1e300),
            (("config", "learning_rate"), float("inf")),
            (("config", "cell"), ["lstm"]),
            (("config", "colour"), "blue"),
            (("corpus",), None),
            (("corpus", "source"), "text"),
            (("corpus", "tokens"), [1]),
            (("corpus", "tokens"), {"test": "many"}),
            (("corpus", "vocabulary_sha256"), None),
            (("corpus", "source", "data_path"), 7),
            (("corpus", "source", "shares"), "90"),
            (("corpus", "source", "shares"), [[90], 5, 5]),
            (("corpus", "source", "lowercase"), "no"),
        ]
    ),
    Case(EVALUATE, RUN, "belongs to another run", Edit(("config", "hidden_size"), 3)),
    Case(EVALUATE, RUN, "belongs to another run", Edit(("config", "seed"), 7)),
    Case(EVALUATE, RUN, "dataset=web is", Edit(("corpus", "source"), {"dataset": "web"})),
    Case(EVALUATE, RUN, "tokens=byte", Edit(("corpus", "source", "tokens"), "byte")),
    Case(EVALUATE, RUN, "is not a regular", Edit(("corpus", "source", "data_path"), "/dev/zero")),
    Case(EVALUATE, RUN, "not a folder or", Edit(("corpus", "source", "data_path"), "a\0b")),
    Case(
        EVALUATE,
        RUN,
        "data_dir '/nowhere' does not exist",
        Edit(("corpus", "source"), {"dataset": "ptb", "data_dir": "/nowhere"}),
    ),
]
# Of a run from other hands, every script that reads it refuses the same.
OUT = "--export_path=out"
READERS = (
    (EVALUATE, RUN),
    (GENERATE, RUN),
    (EXPORT, (*RUN, OUT)),
    (EXPORT, (*RUN, OUT, "--noevaluate")),
)
RUNS_FROM_OTHER_HANDS = [
    Case(script, flags, message, damage)
    for message, damage in (
        ("belongs to another run", Edit(("config",), HUGE)),
        ("says 9", Words("".join(f"{word}\n" for word in "abcdefg"))),
        ("says 9", Words("".join(f"{word}\n" for word in "abcdefghij"))),
        (
            "line 2 of the vocabulary is ''",
            Words("<eos>\n\n" + "".join(f"{word}\n" for word in "bcdefgh")),
        ),
        ("neither <eos> nor <unk>", Words("".join(f"{word}\n" for word in "abcdefghi"))),
        (
            "which is not a word",
            Words("<eos>\na\rb\n" + "".join(f"{word}\n" for word in "bcdefgh")),
        ),
        ("the weight other has", Weight("other", (3,))),
        ("the weight softmax_b has", Weight("softmax_b", None)),
        ("the weight softmax_b has", Weight("softmax_b", (3,))),
        ("config.json", Edit(("versions",), ["3.11"])),
        ("config.json", Edit(("config", "learning_rate"), 10**400)),
    )
    for script, flags in READERS
]
FLAGS_OF_GENERATE = [
    Case(GENERATE, (), "--save_path is missing"),
    Case(GENERATE, ("--save_path=",), "--save_path=: is empty"),
    Case(GENERATE, ("--save_path=nowhere",), "'nowhere' holds no run"),
    Case(GENERATE, ("--tutorial_checkpoint=x",), "--data_path is missing"),
    Case(GENERATE, (*RUN, "--tutorial_checkpoint=x"), "give only one of --save_path=run"),
    Case(GENERATE, ("--tutorial_checkpoint=x", "--data_path=nowhere"), "'nowhere' is not a folder"),
    *_bad_flag_of(
        GENERATE,
        *("--num_words=-1", "--num_words=many", "--num_samples=0"),
        *("--temperature=-1", "--temperature=nan", "--temperature=inf", "--top_p=1.1"),
        *("--top_p=nan", "--top_k=-1", "--top_k=2147483648", "--seed=2147483648", "--seed=x"),
    ),
    Case(GENERATE, (*RUN, "--plot=x.png"), "--plot=x.png has no effect without --score"),
    *(
        Case(
            GENERATE, (*RUN, "--temperature=0", flag), f"{flag} has no effect with --temperature=0"
        )
        for flag in ("--seed=1", "--top_k=3", "--top_p=0.5", "--num_samples=2")
    ),
    *(
        Case(GENERATE, (*RUN, "--score=a b", flag), f"{flag} has no effect with --score")
        for flag in (
            *("--prefix=a", "--num_words=3", "--stop_at_line", "--nounk", "--temperature=0.5"),
            *("--top_k=3", "--top_p=0.5", "--seed=1", "--num_samples=2"),
        )
    ),
    *(
        Case(GENERATE, (*RUN, flag), f"{flag} has no effect with --save_path")
        for flag in ("--data_path=text", "--dataset=ptb", "--data_dir=text", "--cache_dir=")
    ),
    Case(GENERATE, (*RUN, "--score=a b", "--plot=text"), "--plot=text cannot be written"),
    Case(GENERATE, (*RUN, "--score=a b", "--plot=no/x.png"), "--plot=no/x.png cannot be written"),
    Case(GENERATE, (*RUN, "the", "company"), "'the'"),
    Case(GENERATE, (*RUN, "--stop_at_line=maybe"), "stop_at_line"),
    Case(GENERATE, (*RUN, "--score=a"), "--score has 1 tokens"),
    Case(GENERATE, (*RUN, "--score="), "--score has 0 tokens"),
    Case(GENERATE, (*RUN, "--prefix=a zebra"), "the word 'zebra'"),
    Case(GENERATE, RUN, "'run' has no best epoch", _no_best),
    Case(
        GENERATE,
        RUN,
        "best.safetensors is damaged",
        Write("run/checkpoints/best.safetensors", bytes(5000)),
    ),
    Case(GENERATE, RUN, "is not the vocabulary", Write("run/vocabulary.txt", "a\nb\n")),
    Case(GENERATE, RUN, "config.json", Edit(("config", "cell"), 7)),
    Case(GENERATE, RUN, "config.json", Edit(("corpus", "source", "tokens"), [])),
]
FLAGS_OF_EXPORT = [
    Case(EXPORT, RUN, "--export_path is missing"),
    Case(EXPORT, (*RUN, "--export_path="), "--export_path=: is empty"),
    Case(EXPORT, (*RUN, OUT, "--tutorial_mode=basic"), "without --write_tutorial_checkpoint"),
    Case(
        EXPORT,
        (*RUN, "--write_tutorial_checkpoint=x", "--noevaluate"),
        "--noevaluate has no effect without --export_path: add that, or leave out --noevaluate",
    ),
    Case(EXPORT, (*RUN, OUT, "--noevaluate", "--data_path=text"), "--data_path=text has no effect"),
    Case(EXPORT, ("--export_path=out",), "--save_path is missing"),
    Case(EXPORT, ("--save_path=nowhere", "--export_path=out"), "'nowhere' holds no run"),
    Case(EXPORT, ("--tutorial_checkpoint=x", "--export_path=out"), "--data_path is missing"),
    Case(EXPORT, (*RUN, "--tutorial_checkpoint=x", "--export_path=out"), "give only one of"),
    Case(EXPORT, (*RUN, "--export_path=file"), "'file' cannot be written"),
    Case(EXPORT, (*RUN, "--export_path=file/x"), "'file/x' cannot be written"),
    Case(EXPORT, (*RUN, "--export_path=/proc/x"), "'/proc/x' cannot be written"),
    Case(EXPORT, (*RUN, "--export_path=" + "x" * 300), "(File name too long)"),
    Case(EXPORT, (*RUN, "--export_path=out", "--evaluate=maybe"), "evaluate"),
    Case(EXPORT, (*RUN, "--export_path=out"), "has ended yet", _no_best),
    Case(
        EXPORT, (*RUN, "--export_path=out"), "belongs to another run", Edit(("config", "seed"), 7)
    ),
]
FLAGS_OF_SERVE = [
    Case(SERVE, (), "--export_path is missing"),
    Case(SERVE, ("--export_path=",), "--export_path=: is empty"),
    Case(SERVE, ("--export_path=nowhere",), "'nowhere' holds no export"),
    Case(SERVE, ("--export_path=nowhere", "--host="), "--host is empty"),
    Case(SERVE, ("--export_path=file",), "'file' holds no export"),
    Case(SERVE, ("--export_path=run",), "'run' holds no export"),
    Case(SERVE, ("--export_path=a\nb",), r"'a\nb' holds no export"),
    Case(SERVE, ("--export_path=export",), "'export' holds no export", _no_model),
    *_bad_flag_of(SERVE, "--port=-1", "--port=65536", "--port=http", "--save_path=run"),
]
INSIDE = ("--inside", *RUN)
FLAGS_OF_EXPLAIN = [
    *_bad_flag_of(
        EXPLAIN,
        *("--batch_size=0", "--batch_size=100001", "--num_steps=0", "--num_steps=1001"),
        *("--window=-1", "--window=999999999", "--seed=-1", "--unroll=maybe", "--layer=-1"),
    ),
    Case(EXPLAIN, RUN, "--save_path=run has no effect without --inside"),
    Case(EXPLAIN, ("--units=1",), "--units=1 has no effect without --inside"),
    Case(EXPLAIN, ("--unroll", "--seed=7"), "--seed=7 has no effect with --unroll"),
    Case(EXPLAIN, ("--inside", "--text=a b"), "--save_path is missing"),
    Case(EXPLAIN, (*INSIDE, "--text=a b", "--unroll"), "--unroll has no effect with --inside"),
    *(
        Case(EXPLAIN, (*INSIDE, "--text=a b", flag), f"{flag} has no effect with --inside")
        for flag in ("--tokens=char", "--lowercase", "--min_count=2", "--split=80,10,10")
    ),
    Case(
        EXPLAIN,
        (*INSIDE, "--text=a b", "--dataset=ptb"),
        "--dataset=ptb has no effect with --save_path",
    ),
    Case(EXPLAIN, INSIDE, "--text is missing"),
    Case(EXPLAIN, (*INSIDE, "--text=a"), "--text has 1 tokens: give from 2 to 200"),
    Case(EXPLAIN, (*INSIDE, "--text=a zebra"), "the word 'zebra' is not among"),
    Case(EXPLAIN, (*INSIDE, "--text=a b", "--layer=9"), "--layer=9: the model has layers 0 to"),
    Case(EXPLAIN, (*INSIDE, "--text=a b", "--units=1,x"), "--units=1,x: give varying, agreement"),
    Case(
        EXPLAIN, (*INSIDE, "--text=a b", "--units=agreement"), "needs a run on the whole built-in"
    ),
    Case(EXPLAIN, ("--png=text",), "--png=text cannot be written"),
    Case(EXPLAIN, ("--png=nowhere/b.png",), "--png=nowhere/b.png cannot be written"),
    Case(EXPLAIN, ("--data_path=nowhere",), "'nowhere' is not a folder"),
    Case(EXPLAIN, ("--data_path=text", "--batch_size=9000"), "batch_size=9000"),
]
FLAGS_OF_LAUNCH = [
    Case(LAUNCH, (), "the command is missing"),
    Case(LAUNCH, ("--", "no_such_program"), "'no_such_program'"),
    *_bad_flag_of(LAUNCH, "--num_workers=0", "--num_workers=-1", "--num_workers=two"),
    Case(LAUNCH, ("--save_path=run", "train.py"), "save_path"),
]
PATHS = [
    Case(TRAIN, (*MODEL, "--save_path=gs://bucket/run"), "is a URL"),
    Case(EXPORT, (*RUN, "--export_path=gs://bucket/x"), "is a URL"),
    Case(EXPORT, (*RUN, "--export_path=\udcff"), "is not UTF-8"),
    Case(TRAIN, (*MODEL, "--save_path=\udcff"), "is not UTF-8"),
    Case(EXPLAIN, ("--png=~nobody-here/a.png",), "home folder"),
    Case(TABLE, ("s3://bucket",), "is a URL"),
]
NO_FLAG_FILES = ("", b"\xff", "--flagfile=flags", "--batch_size=2\n" * 100_000, "#" * 2_000_000)
FLAG_FILES = [
    *(
        Case(EXPLAIN, ("--flagfile=flags", "--batch_size=0"), message, Write("flags", content))
        for content, message in zip(
            NO_FLAG_FILES,
            ("batch_size", "'utf-8' codec", "it names itself", "larger than", "larger than"),
            strict=True,
        )
    ),
    Case(EXPLAIN, ("--flagfile=nowhere",), "--flagfile=nowhere"),
    Case(EXPLAIN, ("--flagfile",), "--flagfile="),
    Case(EXPLAIN, ("--flagfile=/dev/zero",), "regular file"),
    Case(EXPLAIN, ("--flagfile=flags",), "regular file", lambda f: os.mkfifo(f / "flags")),
]
OF_THE_TUTORIAL = [
    Case(TRAIN, ("--max_max_epoch=13",), "--num_epochs"),
    Case(TRAIN, ("--max_epoch=4",), "--constant_epochs"),
    Case(TRAIN, ("--lr_decay=0.5",), "--learning_rate_decay"),
    Case(TRAIN, ("--use_fp16",), "--precision=mixed_float16"),
    Case(TRAIN, ("--use_fp16=False",), "leave it out"),
    Case(TRAIN, ("--nouse_fp16",), "leave it out"),
    Case(TRAIN, ("--num_gpus=1",), "leave it out"),
    Case(TRAIN, ("--num_gpus=2",), "--distribution=mirrored"),
    Case(TRAIN, ("--num_gpus=2",), "--distribution=mirrored"),
    Case(TRAIN, ("--rnn_mode=basic",), "--rnn_mode=static"),
    Case(TRAIN, ("--rnn_mode=block",), "--rnn_mode=fused"),
    Case(TRAIN, ("--rnn_mode=cudnn",), "--rnn_mode=keras"),
]
TO_CHECKPOINT = ("train", "--write_tutorial_checkpoint=x")
FLAGS_OF_ORIGINAL = [
    Case(ORIGINAL, (), "'nothing'"),
    Case(ORIGINAL, ("paint",), "'paint'"),
    Case(ORIGINAL, ("compare", "train"), "'compare train'"),
    Case(ORIGINAL, ("record",), "--out"),
    Case(ORIGINAL, ("train", "--windows=3"), "--windows=3"),
    Case(ORIGINAL, ("compare", "--out=out"), "--out=out has no effect in compare"),
    Case(ORIGINAL, ("compare", "--random=3", "--windows=3"), "--windows=3 has no effect with"),
    Case(ORIGINAL, ("compare", "--model=fast"), "optimizer=adamw"),
    Case(ORIGINAL, ("compare", "--cell=min_gru"), "cell=min_gru"),
    Case(ORIGINAL, ("compare", "--python=nowhere"), "nowhere cannot be run"),
    Case(ORIGINAL, ("train", "--rnn_mode=basic"), "use --tutorial_mode=basic"),
    Case(ORIGINAL, ("train", "--rnn_mode=static"), "--rnn_mode=static has no effect in train"),
    Case(ORIGINAL, ("compare", "--cell=gru", "--tutorial_mode=block"), "with --cell=gru"),
    Case(ORIGINAL, ("compare", "--write_tutorial_checkpoint=x"), "has no effect in compare"),
    Case(ORIGINAL, (*TO_CHECKPOINT, "--forget_bias=1"), "has no forget_bias=1.0: "),
    Case(ORIGINAL, (*TO_CHECKPOINT, "--cell=gru"), "has no cell=gru"),
    Case(ORIGINAL, ("train", "--write_tutorial_checkpoint=no/"), "'no/' names no checkpoint"),
    Case(ORIGINAL, ("train", "--tutorial_checkpoint=x", "--cell=rnn"), "has no cell=rnn"),
    Case(ORIGINAL, ("train", "--tutorial_checkpoint=x", "--init_scale=1"), "--init_scale=1"),
    Case(ORIGINAL, ("compare", "--tutorial_checkpoint=x"), "has no effect in compare"),
    Case(ORIGINAL, ("train", "--write_tutorial_checkpoint=no/x"), "no/x cannot be written"),
    Case(
        ORIGINAL,
        TO_CHECKPOINT,
        "x.index exists: give another name",
        Write("x.index", "kept"),
    ),
    Case(EXPORT, (*RUN, "--write_tutorial_checkpoint=file/model"), "file"),
    Case(EXPORT, (*RUN, "--write_tutorial_checkpoint=new/"), "'new/' names no checkpoint"),
    Case(BENCHMARK, ("--peers=tf1_block", "--tf1_python=nowhere"), "--tf1_python="),
    Case(BENCHMARK, ("--peers=tf1_block", "--tf1_python=/bin/echo"), "instead of JSON"),
]
FLAGS_OF_BENCHMARK = [
    Case(BENCHMARK, ("--paths=warp",), "warp"),
    Case(BENCHMARK, ("--paths=fused,static,fused",), "--paths=fused,static,fused"),
    Case(BENCHMARK, ("--tf1_python=nowhere",), "--tf1_python=nowhere has no effect"),
    Case(BENCHMARK, ("--reader_tokens=2500000",), "no effect without --reader"),
    Case(BENCHMARK, ("--reader", "--model=medium"), "--model=medium has no effect with --reader"),
    Case(BENCHMARK, ("--export_path=run", "--sweep=num_steps"), "--sweep=num_steps has no effect"),
    Case(BENCHMARK, (*TEXT, "--batch_size=5000"), "batch_size=5000 x num_steps=2 needs"),
    Case(BENCHMARK, (*TEXT, "--sweep=batch_size", "--num_steps=1000"), "needs a text of at least"),
    Case(BENCHMARK, ("--json=new", "--plot=./new"), "--plot=./new is the file of --json"),
    Case(BENCHMARK, ("--json=/proc/b.json",), "--json=/proc/b.json cannot be written"),
    Case(BENCHMARK, ("--sweep=num_steps", "--plot=/proc/b.png"), "/proc/b.png cannot be written"),
    Case(BENCHMARK, ("--peers=abacus",), "abacus"),
    Case(BENCHMARK, ("--rounds=0",), "rounds"),
    Case(BENCHMARK, ("--seconds=0",), "seconds"),
    Case(BENCHMARK, ("--seconds=nan",), "--seconds=nan is not a finite number"),
    Case(BENCHMARK, ("--sweep=colour",), "sweep"),
    Case(BENCHMARK, ("--reader", "--reader_tokens=5"), "reader_tokens"),
    Case(BENCHMARK, ("--model=huge",), "model=huge"),
    Case(BENCHMARK, ("--data_path=nowhere",), "'nowhere' is not a folder"),
    Case(BENCHMARK, ("--hidden_size=-2",), "hidden_size=-2"),
    Case(BENCHMARK, ("--json=nowhere/b.json",), "--json=nowhere/b.json cannot be written"),
    Case(BENCHMARK, ("--plot=text",), "--plot=text cannot be written"),
    Case(BENCHMARK, ("--reader", "--plot=a.png"), "no effect with --reader"),
    Case(BENCHMARK, ("--model=fast",), "not optimizer=adamw, forget_bias=1.0"),
    Case(BENCHMARK, ("--cell=gru",), "not cell=gru"),
    Case(BENCHMARK, ("--precision=mixed_bfloat16",), "--paths chooses the rnn_mode and the prec"),
    Case(BENCHMARK, ("--batch_size=100000", "--num_steps=1000"), "needs a text of at least"),
    Case(BENCHMARK, ("--hidden_size=8000", "--num_layers=60"), "GiB for weights and gradients"),
    Case(BENCHMARK, ("--export_path=nowhere",), "'nowhere' holds no export"),
    Case(BENCHMARK, ("faster",), "'faster'"),
    Case(BENCHMARK, ("--learning_rate=3",), "--learning_rate=3.0"),
    Case(BENCHMARK, ("--sweep=num_steps", "--peers=torch"), "--peers=torch has no effect"),
    Case(BENCHMARK, ("--sweep=num_steps", "--num_steps=5"), "with --sweep=num_steps: leave out"),
    Case(BENCHMARK, ("--vocab_size=500",), "--vocab_size"),
    Case(BENCHMARK, ("--json=/dev/stdout",), "--json=/dev/stdout cannot be written"),
]
NO_RESULTS = ("", "{}", "[]", '{"valid": {"perplexity": 0}}', "[" * 100_000, " " * 2_000_000)
RESULTS = [
    Case(RECORD, (), "name the folder"),
    Case(RECORD, ("new", "more", *MODEL), "name the folder"),
    Case(RECORD, ("new", "--model=huge"), "model=huge"),
    Case(RECORD, ("new", "--jsen"), "jsen"),
    Case(RECORD, ("record", *MODEL), "record is there already"),
    Case(RECORD, ("run", *MODEL), "run is there already"),
    Case(RECORD, ("file", *MODEL), "cannot be read or written"),
    Case(RECORD, ("new", *TEXT, *RUN, "--hidden_size=9"), "'run' holds another run"),
    Case(RECORD, ("new", *TEXT, *RUN), "a run of 7 epochs", Edit(("config", "num_epochs"), 7)),
    Case(RECORD, ("file/new", *MODEL), "cannot be read or written"),
    Case(RECORD, ("new", *MODEL, "--save_path", "new"), "folder of the record"),
    Case(RECORD, ("new", *MODEL, "--data_path=nowhere"), "'nowhere' is not a folder"),
    Case(VERIFY, (), "name the folder"),
    Case(VERIFY, ("nowhere",), "nowhere/result.json"),
    Case(VERIFY, ("record",), "config.json", Write("record/config.json", "{}")),
    Case(VERIFY, ("record",), "config.json", Write("record/config.json", "")),
    Case(VERIFY, ("record", "--dataset=grammar"), "the text has the fingerprint"),
    Case(VERIFY, ("record", "--data_path", "nowhere"), "'nowhere' is not a folder"),
    Case(VERIFY, ("record", "--save_path=nowhere"), "'nowhere' holds no run"),
    *(
        Case(VERIFY, ("record",), "result.json", Write("record/result.json", content))
        for content in NO_RESULTS
    ),
    Case(TABLE, (), "name the folder"),
    Case(TABLE, ("nowhere",), "nowhere has no record"),
    Case(TABLE, (".", "--sort"), "sort"),
    Case(CURVES, ("run",), "and the PNG to write"),
    Case(CURVES, ("run", "a.png"), "run has no record"),
    Case(CURVES, ("run", "nowhere/a.png"), "nowhere/a.png cannot be written"),
    Case(LARGE_START, (), "name the folder"),
    Case(LARGE_START, ("new", "--data_path", "nowhere"), "'nowhere' is not a folder"),
    Case(LARGE_START, ("new", "--windows=0"), "windows"),
    Case(LARGE_START, ("new", "--data_path=text", "--windows=90"), "has "),
    Case(LARGE_START, ("new", "--windows=1", "--tf1_python=nowhere"), "--tf1_python="),
    Case(LARGE_START, ("file", "--data_path=text", "--windows=1"), "'file' cannot be"),
]
CASES = [
    *FLAGS_OF_TRAIN,
    *TEXTS_OF_TRAIN,
    *FOLDERS_OF_TRAIN,
    *FLAGS_OF_EVALUATE,
    *UNTRUSTED_RUNS,
    *RUNS_FROM_OTHER_HANDS,
    *FLAGS_OF_GENERATE,
    *FLAGS_OF_EXPORT,
    *FLAGS_OF_SERVE,
    *FLAGS_OF_EXPLAIN,
    *FLAGS_OF_LAUNCH,
    *PATHS,
    *FLAG_FILES,
    *FLAGS_OF_BENCHMARK,
    *FLAGS_OF_ORIGINAL,
    *OF_THE_TUTORIAL,
    *RESULTS,
]


def prepare(folder: Path) -> None:
    """Makes the folder that every case starts from."""
    harness.write_text(folder)
    (folder / "file").touch()
    result = run("train.py", *TEXT, *RUN, folder=folder)
    assert result.returncode == 0, result.stderr
    (folder / "record").mkdir()
    shutil.copy(folder / "run" / "config.json", folder / "record")
    figure = {"perplexity": 1.0}
    result = {"valid": figure, "test": figure, "seconds": 1.0}
    (folder / "record" / "result.json").write_text(json.dumps(result))
