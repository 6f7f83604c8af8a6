"""Reads and writes checkpoints of the original TensorFlow 1 tutorial.

They hold only weights. The cell and the forget bias of 0 are fixed in the tutorial's code. The
sizes follow from the shapes. The words come from the train split, in the same order as in
`ptb.data.vocabulary`.
"""

from __future__ import annotations

import glob
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import tf1_names
from ptb.data.vocabulary import Vocabulary
from ptb.machine.atomic_file import new_token, why_not_written, write_text_atomically
from ptb.machine.memory import gib, memory_bytes, there_is
from ptb.machine.own_folder import refuse_existing, refuse_no_name
from ptb.training.config import Config
from ptb.training.model import size_of


def read_tutorial_checkpoint(prefix: str) -> tuple[Config, dict[str, np.ndarray]]:
    """Reads the sizes and the weights in the checkpoint `prefix`.

    `prefix` is the path without `.index`, or the tutorial's `--save_path`, whose latest checkpoint
    is then read. Raises ValueError where there is none, it is damaged, or it is no tutorial's.
    """
    for suffix in tf1_names.FILES:
        if prefix.endswith(suffix):
            raise ValueError(f"{prefix} is a file of a checkpoint: leave out {suffix}")
    if not (os.path.exists(prefix) or os.path.exists(f"{prefix}.index")):
        raise ValueError(
            f"the checkpoint {prefix} cannot be read (there is none): give the path of one without "
            ".index, or its folder"
        )
    try:
        reader = tf.train.load_checkpoint(prefix)
        shapes = reader.get_variable_to_shape_map()
        names = tf1_names.tutorial_names(shapes)
        needed = sum(4 * math.prod(shapes[name]) for name in names)
        if needed > memory_bytes():
            raise ValueError(f"it needs {gib(needed)}, and {there_is()}")
        weights = tf1_names.renamed({name: reader.get_tensor(name) for name in names})
    except KeyError as error:
        raise ValueError(
            f"the checkpoint {prefix} has no {error.args[0]}: only checkpoints of the tutorial's "
            "block and basic modes can be read"
        ) from None
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"the checkpoint {prefix} cannot be read ({reason}): give the path of a whole "
            "TensorFlow checkpoint without .index"
        ) from None
    config = _sizes(prefix, weights)
    _check(prefix, config, weights)
    return config, weights


def write_tutorial_checkpoint(
    prefix: str, config: Config, weights: Mapping[str, np.ndarray], mode: str = "block"
) -> None:
    """Writes weights as a checkpoint of the tutorial: `PREFIX.index`, ...

    `mode` is the tutorial's: which of its LSTM cells reads it. Its training continues from there,
    with the step 0, if the folder has no other checkpoint: `name_newest` is called. Raises
    ValueError for a model that the tutorial lacks, if the checkpoint exists or if it cannot be
    written.
    """
    refuse_no_name(prefix)
    for suffix in tf1_names.FILES:
        refuse_existing(prefix + suffix)
    others = {
        name: getattr(config, name)
        for name, only in (("cell", "lstm"), ("tie_weights", False), ("softmax", "full"))
        if getattr(config, name) != only
    }
    if others:
        named = ", ".join(f"{name}={value}" for name, value in others.items())
        raise ValueError(
            f"the tutorial has no {named}: this model cannot be written as a checkpoint of the "
            "tutorial"
        )
    # What else its saver asks for, and the weights.
    tensors: dict = {"Model/global_step": np.int64(0), "Train/Model/Variable": np.float32(0)}
    for name, weight in weights.items():
        if name.startswith("layers/") and name.endswith("/bias"):
            # The tutorial's cells add a forget bias of 0.
            i, j, f, o = np.split(weight, 4)
            weight = np.concatenate([i, j, f + np.float32(config.forget_bias), o])  # noqa: PLW2901
        tensors[tf1_names.tf1_name(name, mode)] = weight
    folder, name = os.path.split(prefix)
    temporary = os.path.join(folder, f".{name}.{new_token()}")
    names = sorted(tensors)
    try:
        tf.raw_ops.SaveV2(
            prefix=temporary,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tensors[name] for name in names],
        )
        for suffix in tf1_names.FILES:
            os.replace(temporary + suffix, prefix + suffix)
    except (tf.errors.OpError, OSError) as error:
        for file in glob.glob(f"{glob.escape(temporary)}*"):
            os.remove(file)
        raise ValueError(
            f"the checkpoint {prefix} cannot be written ({why_not_written(error)}): give another "
            "folder, or make room"
        ) from None
    name_newest(prefix)


def name_newest(prefix: str) -> None:
    """Writes the file `checkpoint`, by which TensorFlow finds the newest checkpoint of a folder.

    Without one, the tutorial's Supervisor would begin with new weights. One that is there stays.
    Raises ValueError if it cannot be written.
    """
    path = Path(prefix).with_name("checkpoint")
    name = json.dumps(Path(prefix).name, ensure_ascii=False)
    try:
        if not path.exists():
            lines = f"model_checkpoint_path: {name}\nall_model_checkpoint_paths: {name}\n"
            write_text_atomically(path, lines)
    except OSError as error:
        raise ValueError(
            f"the checkpoint {prefix} is written, but {path} is not ({error.strerror}): write it "
            f"yourself, with the line model_checkpoint_path: {name}"
        ) from None


def not_the_newest(prefix: str) -> str | None:
    """What to tell the user if TensorFlow does not find `prefix` in its folder; None if it does."""
    folder = Path(prefix).parent
    try:
        newest = tf.train.latest_checkpoint(str(folder))
    except (tf.errors.OpError, ValueError):
        newest = None
    if newest is not None and os.path.abspath(newest) == os.path.abspath(prefix):
        return None
    return (
        f"the tutorial would not load {prefix}, because {folder / 'checkpoint'} does not name it: "
        "to be loaded, it needs a folder of its own"
    )


def name_every_row(vocabulary: Vocabulary, num_rows: int) -> Vocabulary:
    """The vocabulary with a name for each of the model's `num_rows` rows.

    The tutorial makes 10,000 rows however few words the text has. The rest stand for no word, but
    they have their share of the softmax. Raises ValueError for more words than rows.
    """
    if len(vocabulary) > num_rows:
        raise ValueError(
            f"the checkpoint has {num_rows:,} words and train has {len(vocabulary):,}: give the "
            "text that it was trained on"
        )
    unused = (f"<unused_{row}>" for row in range(len(vocabulary), num_rows))
    return Vocabulary([*vocabulary.words, *unused])


def _sizes(prefix: str, weights: dict[str, np.ndarray]) -> Config:
    shape = weights["embedding"].shape
    if len(shape) != 2:
        raise ValueError(
            f"the checkpoint {prefix} has an embedding of shape {shape}: give a matrix"
        )
    vocab_size, hidden_size = shape
    num_layers = sum(name.endswith("/kernel") for name in weights)
    return Config(hidden_size=hidden_size, num_layers=num_layers, vocab_size=vocab_size)


def _check(prefix: str, config: Config, weights: dict[str, np.ndarray]) -> None:
    """Raises ValueError for a weight of a wrong shape, or with NaN or infinite values."""
    shapes = size_of(config, config.vocab_size).shapes
    for name, weight in weights.items():
        expected = shapes[name]
        if weight.shape != expected:
            raise ValueError(
                f"the checkpoint {prefix} has {name} of shape {weight.shape} but the other sizes "
                f"need {expected}: it is not a checkpoint of the tutorial"
            )
        if weight.dtype.kind != "f" or not np.isfinite(weight).all():
            raise ValueError(
                f"the checkpoint {prefix} has values in {name} that are not finite "
                "numbers: give another checkpoint"
            )
