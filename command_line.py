"""What the scripts share: flags, one-line errors, and the corpus and model that flags name.

Nothing here imports TensorFlow before the flags are parsed, so `--helpshort` answers at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import functools
import math
import os
import signal
import sys
import tempfile
from collections.abc import Callable

from absl import app, flags

from models.cores import available_cores
from training.config import PRESETS, Config, preset

FLAGS = flags.FLAGS
PATH_FLAGS = (
    "save_path",
    "data_path",
    "data_dir",
    "export_path",
    "tutorial_checkpoint",
    "out",
    "png",
)
# The flags below belong to the scripts that define them, so that --helpshort lists them there.
flags.disclaim_key_flags()


def define_data_flags(save_path: bool = True) -> None:
    """Where the text is, and, unless `save_path` is false, `--save_path`."""
    flags.DEFINE_string(
        "data_path",
        None,
        "folder with ptb.{train,valid,test}.txt or {train,valid,test}.txt, or one text to be cut, "
        "plain or .gz; the built-in corpus where neither this nor --dataset is given",
    )
    flags.DEFINE_enum(
        "dataset",
        None,
        ["ptb", "ptb_char", "grammar"],
        "Penn Treebank in words or in characters, fetched through TFDS; or the built-in corpus",
    )
    flags.DEFINE_string("data_dir", None, "folder of TFDS (~/tensorflow_datasets)")
    flags.DEFINE_string(
        "cache_dir",
        None,
        "folder that keeps the ids of texts of 10 MB or more for the next start; "
        "--cache_dir= keeps none (ptb-lm in $XDG_CACHE_HOME or ~/.cache)",
    )
    if save_path:
        flags.DEFINE_string("save_path", None, "folder of the run")


def define_trained_model_flags() -> None:
    """What else than `--save_path` may name a model."""
    flags.DEFINE_string(
        "tutorial_checkpoint",
        None,
        "a checkpoint of the original TF1 tutorial in place of save_path: its path without .index; "
        "--data_path or --dataset names the text that it was trained on",
    )


def define_text_flags() -> None:
    """How the text in `--data_path` becomes tokens."""
    flags.DEFINE_string("tokens", None, "what one time step reads: word, char (word)")
    flags.DEFINE_bool("lowercase", None, "read capitals as small letters (no)")
    flags.DEFINE_integer(
        "min_count",
        None,
        "words that train has less often become <unk> (1; where valid or test has words that "
        "train lacks, and train has no <unk>: 2)",
    )
    flags.DEFINE_string(
        "split", None, "per cent of train, valid and test, where data_path is one file (90,5,5)"
    )


def text_options_from_flags():
    """The `TextOptions` of the flags that were given; None where none was.

    Raises ValueError for a bad value.
    """
    from ptb.options import TextOptions, parse_shares  # noqa: PLC0415

    names = ("tokens", "lowercase", "min_count")
    given = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
    if FLAGS.split is not None:
        given["shares"] = parse_shares(FLAGS.split)
    return TextOptions(**given) if given else None


def define_config_flags() -> None:
    """`--model` and a flag for every field of the config, whose default is the preset's value."""
    flags.DEFINE_string("model", "small", f"the preset: {', '.join(PRESETS)}")
    for field in dataclasses.fields(Config):
        choices = field.metadata["choices"]
        help_text = field.metadata["help"] + (f": {', '.join(choices)}" if choices else "")
        define = {
            "int": flags.DEFINE_integer,
            "float": flags.DEFINE_float,
            "bool": flags.DEFINE_bool,
        }.get(field.type, flags.DEFINE_string)
        define(field.name, None, f"{help_text} ({_defaults(field.name)})")


def config_from_flags() -> Config:
    """The preset `--model`, with the flags that were given. Raises ValueError for a bad value."""
    names = [field.name for field in dataclasses.fields(Config)]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
    return dataclasses.replace(preset(FLAGS.model), **given)


def run(main: Callable[..., int | None], takes_command: bool = False) -> None:
    """Parses the flags and runs `main`, with bad flags reported on one line.

    What follows the flags is an error, or, where `main` takes a command, its argument.
    """

    def parse(argv):
        try:
            rest = FLAGS(argv)
        except flags.Error as error:
            fail(" ".join(str(error).split()))
        if rest[1:] and not takes_command:
            fail(f"{rest[1]!r} is not a flag: write --name=value")
        for name in PATH_FLAGS:
            if name in FLAGS and FLAGS[name].value == "":
                fail(f"--{name}= is empty: give a path, or leave the flag out")
        return rest

    def print_all(argv):
        status = main(*[argv[1:]] * takes_command)
        sys.stdout.flush()
        return status

    try:
        app.run(print_all, flags_parser=parse)
    except KeyboardInterrupt:
        print("\ninterrupted: what was saved is whole", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except OSError as error:
        if error.filename is not None or error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        # What is left in the buffer must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            raise SystemExit(128 + signal.SIGPIPE) from None
        fail(f"the output cannot be printed ({error.strerror}): what was saved is whole")


def define_distribution_flags() -> None:
    """Which devices and machines train."""
    flags.DEFINE_enum(
        "distribution",
        "none",
        ["none", "mirrored", "multi_worker"],
        "share the rows of a batch out among the devices of this machine (mirrored), or among the "
        "machines that TF_CONFIG names (multi_worker)",
    )
    flags.DEFINE_integer(
        "num_devices", None, "devices of mirrored (all GPUs; without one, 1 part of the CPU)", 1, 64
    )
    flags.DEFINE_integer(
        "worker_timeout", 60, "seconds until a worker without a sign of life is lost", 2, 86_400
    )


@functools.cache
def cluster_from_flags():
    """The `Cluster` of --distribution=multi_worker, else None. Raises ValueError."""
    from training.cluster import Cluster  # noqa: PLC0415

    if "distribution" not in FLAGS:
        return None
    if FLAGS.num_devices and FLAGS.distribution != "mirrored":
        raise ValueError(f"--num_devices={FLAGS.num_devices} needs --distribution=mirrored")
    return Cluster.from_environment() if FLAGS.distribution == "multi_worker" else None


def _strategy_from_flags():
    """What --distribution names, None for none. TensorFlow must not have done anything yet."""
    from training.cluster import mirrored_strategy  # noqa: PLC0415

    if cluster := cluster_from_flags():
        return cluster.strategy(FLAGS.worker_timeout)
    if "distribution" in FLAGS and FLAGS.distribution == "mirrored":
        return mirrored_strategy(FLAGS.num_devices)
    return None


def _share_one_arena() -> None:
    """Has all threads allocate from one arena, where the C library is glibc.

    Otherwise each thread of TensorFlow's pool keeps the blocks that it freed to itself: 100 MB for
    `medium` (results/performance.md).
    """
    arena_max = -8  # M_ARENA_MAX of malloc.h
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(arena_max, 1)


@functools.cache
def start_tensorflow():
    """Imports TensorFlow without its start-up notes on stderr, unless it fails.

    Returns the `tf.distribute.Strategy` of the flags, or None.

    TensorFlow 2.21 prints them whatever `TF_CPP_MIN_LOG_LEVEL` says. Operations are made
    deterministic, so that one seed gives one result, bit for bit. Each runs on one core, and the
    graph on all of them: a product of 20 rows is too small to share, but two layers, or two parts
    of the softmax, work side by side (results/performance.md).
    """
    if cluster := cluster_from_flags():
        print(
            f"worker {cluster.index} of {len(cluster.tasks)}, {cluster.tasks[cluster.index][2]}: "
            "waiting for the others",
            file=sys.stderr,
        )
        # When a worker is lost, TensorFlow logs the error at every level that it passes through.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _share_one_arena()
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import tensorflow as tf  # noqa: PLC0415

            tf.get_logger().setLevel("ERROR")
            tf.config.experimental.enable_op_determinism()
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(available_cores())
            strategy = _strategy_from_flags()
            tf.config.list_logical_devices()
            return strategy
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def user_errors():
    """Turns the ValueErrors of checks and readers into one line on stderr and exit status 1."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            fail(str(error))
        fail(f"{str(error.filename)!r} cannot be read or written ({error.strerror})")
    except ValueError as error:
        fail(str(error))


def check_output_files(*names: str) -> None:
    """Raises ValueError for a file that could not be written, before minutes are spent on it."""
    for name in names:
        path = FLAGS[name].value
        if path is not None and (
            not os.path.isdir(os.path.dirname(path) or ".") or os.path.isdir(path)
        ):
            raise ValueError(f"--{name}={path} cannot be written: give a file in a folder that is")


def fail(message: str) -> None:
    """Ends the program: `message` on one line of stderr, exit status 1."""
    print(f"{os.path.basename(sys.argv[0])}: error: {one_line(message)}", file=sys.stderr)
    raise SystemExit(1)


def note(message: str) -> None:
    """Says something on one line of stderr."""
    print(f"note: {one_line(message)}", file=sys.stderr)


def one_line(text: str) -> str:
    """The text with line breaks and what else could lead a terminal astray written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@dataclasses.dataclass(frozen=True)
class TextSource:
    """Where a text is: in `data_path`, or the `dataset`; the built-in corpus without either."""

    data_path: str | None = None
    dataset: str | None = None
    data_dir: str | None = None
    cache_dir: str | None = ""
    options: object = None

    @classmethod
    def from_flags(cls) -> TextSource:
        """That of the data and text flags. Raises ValueError for a bad value."""
        options = text_options_from_flags()
        return cls(FLAGS.data_path, FLAGS.dataset, FLAGS.data_dir, FLAGS.cache_dir, options)

    @classmethod
    def of_run(cls, saved: dict) -> TextSource:
        """That of the data flags, else that of the run whose `config.json` has this `source`.

        Another text is read as the run read its own. Raises ValueError for one of other tokens.
        """
        from ptb.options import TextOptions  # noqa: PLC0415

        data_path, dataset = FLAGS.data_path, FLAGS.dataset
        if data_path is None and dataset is None:
            data_path, dataset = saved.get("data_path"), saved.get("dataset")
        tokens = saved.get("tokens", "word")
        if dataset is not None and tokens != _tokens_of(dataset):
            raise ValueError(
                f"--dataset={dataset} has tokens={_tokens_of(dataset)} and the run has "
                f"tokens={tokens}"
            )
        options = None
        if data_path is not None:
            shares = saved.get("shares") if os.path.isfile(data_path) else None
            shares = tuple(shares) if shares else None
            options = TextOptions(tokens, saved.get("lowercase", False), shares=shares)
        data_dir = FLAGS.data_dir or saved.get("data_dir")
        if FLAGS.data_dir is None and data_dir and not os.path.isdir(data_dir):
            raise ValueError(f"the run's data_dir {data_dir!r} is gone: give --data_dir")
        return cls(data_path, dataset, data_dir, FLAGS.cache_dir, options)

    def load(self, splits, optional_splits=(), vocab_size=None, vocabulary=None):
        """The corpus. Raises ValueError as `load_text` and `load_penn_treebank` do."""
        from ptb import cache, corpus  # noqa: PLC0415

        if self.data_path is not None:
            if self.dataset is not None:
                raise ValueError(
                    f"give one of --data_path={self.data_path} and --dataset={self.dataset}"
                )
            folder = cache.default_folder() if self.cache_dir is None else self.cache_dir
            return corpus.load_text(
                self.data_path,
                vocab_size,
                splits,
                optional_splits,
                vocabulary,
                self.options,
                folder,
            )
        if self.options is not None:
            raise ValueError(
                "--tokens, --lowercase, --min_count and --split are for the text in --data_path: "
                "give that, or --dataset=ptb_char for the characters of Penn Treebank"
            )
        if self.dataset in (None, "grammar"):
            return corpus.built_in(vocab_size, vocabulary)
        start_tensorflow()
        return corpus.load_penn_treebank(
            _tokens_of(self.dataset),
            self.data_dir,
            vocab_size,
            (*splits, *optional_splits),
            vocabulary,
        )


def load_trained_model():
    """The `TrainedModel` that `--save_path` or `--tutorial_checkpoint` names.

    Raises ValueError where both or neither are given, or what they name cannot be read.
    """
    from training import trained_model  # noqa: PLC0415

    run_path, prefix = FLAGS.save_path, FLAGS.tutorial_checkpoint
    if run_path is None and prefix is None:
        raise ValueError("--save_path is missing: give the folder of a run that train.py made")
    if run_path is not None and prefix is not None:
        raise ValueError(f"give one of --save_path={run_path} and --tutorial_checkpoint={prefix}")
    if run_path is not None:
        return trained_model.load_run(run_path)
    if FLAGS.data_path is None and FLAGS.dataset is None:
        raise ValueError(
            "--data_path is missing: the words of a tutorial checkpoint are those of the text that "
            "it was trained on"
        )
    train = TextSource.of_run({}).load(("train",))
    start_tensorflow()
    return trained_model.load_tutorial_checkpoint(prefix, train.vocabulary)


def load_corpus_of(trained, split: str):
    """One split of the text of a `TrainedModel`, or of that of the data flags, in its words.

    Raises ValueError where the run's text is not there any more, or has changed.
    """
    corpus = TextSource.of_run(trained.source).load((split,), vocabulary=trained.vocabulary)
    known = (trained.corpus.get("tokens") or {}).get(split)
    length = len(corpus.splits[split])
    if FLAGS.data_path is None and FLAGS.dataset is None and known not in (None, length):
        raise ValueError(
            f"the {split} split has {length:,} tokens and had {known:,} when the run began: "
            "restore the text, or name it with --data_path to score it as it is"
        )
    return corpus


def check_memory(
    config: Config, vocab_size: int, copies: int, batch_size: int, num_steps: int
) -> None:
    """Raises ValueError where a model cannot fit into memory.

    That is `copies` of its weights, and what one window of `batch_size` x `num_steps` words leaves.
    """
    present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    weights = copies * 4 * config.num_weights(vocab_size)
    if weights > present:
        raise ValueError(
            f"hidden_size={config.hidden_size} and num_layers={config.num_layers} need "
            f"{weights / 2**30:.0f} GiB for weights{' and gradients' if copies > 1 else ''}, "
            f"and this machine has {present / 2**30:.0f} GiB: make one of the two smaller"
        )
    # Logits and probabilities of each word, and six values of each unit of each layer.
    window = (
        4 * batch_size * num_steps * (2 * vocab_size + 6 * config.num_layers * config.hidden_size)
    )
    if weights + window > present:
        raise ValueError(
            f"batch_size={batch_size} and num_steps={num_steps} need {window / 2**30:.0f} GiB for "
            f"one window, and this machine has {present / 2**30:.0f} GiB: make one of the two "
            "smaller"
        )


def bits_per_character(perplexity: float, tokens: str) -> float | None:
    """log2 of the perplexity where a token is a character; None where it is a word."""
    return math.log2(perplexity) if tokens == "char" else None


def build_model(config: Config, vocab_size: int):
    """The model that `config` describes, its weights not yet set."""
    import tensorflow as tf  # noqa: PLC0415

    from models.language_model import LanguageModel, recurrent_layers  # noqa: PLC0415

    config = config.resolve_rnn_mode(on_gpu=bool(tf.config.list_physical_devices("GPU")))
    layers = recurrent_layers(
        config.rnn_mode,
        config.cell,
        config.hidden_size,
        config.num_layers,
        config.forget_bias,
        config.precision,
    )
    return LanguageModel(
        vocab_size,
        config.hidden_size,
        layers,
        config.keep_prob,
        config.tie_weights,
        config.cutoffs,
    )


def load_model(trained):
    """The model of a `TrainedModel`, with its weights."""
    check_memory(trained.config, len(trained.vocabulary), copies=1, batch_size=1, num_steps=1)
    model = build_model(trained.config, len(trained.vocabulary))
    model.import_weights(trained.weights)
    return model


def _tokens_of(dataset: str) -> str:
    return "char" if dataset == "ptb_char" else "word"


def _defaults(name: str) -> str:
    """The default of `small`, and of the presets that have another."""
    values = {model: getattr(config, name) for model, config in PRESETS.items()}
    texts = {m: f"{v:.4g}" if isinstance(v, float) else str(v) for m, v in values.items()}
    others = [f"{model} {text}" for model, text in texts.items() if text != texts["small"]]
    return "; ".join([texts["small"], ", ".join(others)] if others else [texts["small"]])
