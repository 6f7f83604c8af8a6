"""Starts TensorFlow, on the devices and machines that the flags name."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import tempfile
from collections.abc import Iterator

from absl import flags

from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS
from ptb.command_line.temporary import check_temporary_folder
from ptb.command_line.without_effect import refuse_without_effect
from ptb.machine.cores import available_cores
from ptb.machine.memory import check_room_for_tensorflow

DISTRIBUTIONS = ["none", "mirrored", "multi_worker"]


def define_distribution_flags() -> None:
    """Flags that say which devices and machines train."""
    with flag_group("devices"):
        flags.DEFINE_enum(
            "distribution",
            "none",
            DISTRIBUTIONS,
            "Data parallelism: the rows of each batch are divided among the devices of this "
            "machine (mirrored), or among the machines that TF_CONFIG names (multi_worker).",
        )
        flags.DEFINE_integer(
            "num_devices",
            None,
            "With --distribution=mirrored: number of devices. Default: all GPUs, or 1 part of the "
            "CPU if there is no GPU.",
            1,
            64,
        )
        flags.DEFINE_integer(
            "worker_timeout",
            60,
            "With --distribution=multi_worker: seconds without a sign of life after which a worker "
            "counts as lost.",
            2,
            86_400,
        )


def _has_distribution_flags() -> bool:
    """Whether --distribution is defined here: a program that uses `ptb` may define its own."""
    if "distribution" not in FLAGS:
        return False
    return getattr(FLAGS["distribution"].parser, "enum_values", None) == DISTRIBUTIONS


@functools.cache
def cluster_from_flags():
    """The `Cluster` of --distribution=multi_worker, else None. Raises ValueError."""
    from ptb.training.cluster import Cluster  # noqa: PLC0415

    if not _has_distribution_flags():
        return None
    if FLAGS.distribution != "mirrored":
        refuse_without_effect(["num_devices"], without="--distribution=mirrored")
    if FLAGS.distribution != "multi_worker":
        refuse_without_effect(["worker_timeout"], without="--distribution=multi_worker")
        return None
    cluster = Cluster.from_environment()
    cluster.check_port()
    return cluster


@functools.cache
def start_tensorflow():
    """Imports TensorFlow without its start-up notes on stderr, unless it fails.

    Returns the `tf.distribute.Strategy` of the flags, or None.

    Operations are deterministic, so that a seed gives the same result bit for bit. Each operation
    runs on one core, and the graph on all cores: a product of 20 rows is too small to divide, but
    two layers, or two parts of a batch, run in parallel (results/performance.md).
    """
    if cluster := cluster_from_flags():
        print(
            f"worker {cluster.index} of {len(cluster.tasks)}, {cluster.tasks[cluster.index][2]}: "
            "waiting for the others",
            file=sys.stderr,
        )
    check_temporary_folder()
    _share_one_arena()
    with _without_notes():
        import tensorflow as tf  # noqa: PLC0415

        tf.get_logger().setLevel("ERROR")
        tf.config.experimental.enable_op_determinism()
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(available_cores())
        for gpu in tf.config.list_physical_devices("GPU"):  # not all of its memory at once
            tf.config.experimental.set_memory_growth(gpu, True)
        strategy = _strategy_from_flags()
        tf.config.list_logical_devices()
        return strategy


def import_tensorflow() -> None:
    """Imports TensorFlow like `start_tensorflow`, but leaves the devices to other processes."""
    with _without_notes():
        import tensorflow  # noqa: F401, PLC0415


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Hides what TensorFlow writes to stderr, unless it fails.

    TensorFlow reads its log level at import. An error in its log (a text that a model refuses, a
    full disk, a lost worker) is also a Python exception, so nothing is lost; an error that ends the
    process is still written. TensorFlow 2.21 prints its start-up notes at any log level.
    """
    check_room_for_tensorflow()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with _scratch_file() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except ValueError:  # of a flag, or of TF_CONFIG: the notes say nothing of it
            raise
        except Exception:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _strategy_from_flags():
    """The strategy of --distribution, or None. Must run before TensorFlow uses any device."""
    from ptb.training.cluster import mirrored_strategy  # noqa: PLC0415

    if cluster := cluster_from_flags():
        return cluster.strategy(FLAGS.worker_timeout)
    if _has_distribution_flags() and FLAGS.distribution == "mirrored":
        return mirrored_strategy(FLAGS.num_devices)
    return None


def _scratch_file():
    """A temporary file for a few lines, in memory if the system can, so that it needs no disk."""
    if hasattr(os, "memfd_create"):  # Linux
        return open(os.memfd_create("notes"), "w+b")
    return tempfile.TemporaryFile()


def _share_one_arena() -> None:
    """Makes all threads allocate memory from one arena, if the C library is glibc.

    Otherwise each thread of TensorFlow's pool keeps its freed blocks: 100 MB more for `medium`
    (results/performance.md).
    """
    if not sys.platform.startswith("linux"):
        return
    arena_max = -8  # M_ARENA_MAX of malloc.h
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(arena_max, 1)
