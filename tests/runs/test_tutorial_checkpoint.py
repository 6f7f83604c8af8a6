"""Checkpoints in TensorFlow 1's format, with the names of the tutorial's graph."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from models.tf1_names import FILES
from ptb.data import reader
from ptb.data.corpus import load_text
from ptb.data.vocabulary import Vocabulary
from ptb.runs.trained_model import load_tutorial_checkpoint
from ptb.runs.tutorial_checkpoint import (
    not_the_newest,
    read_tutorial_checkpoint,
    write_tutorial_checkpoint,
)
from ptb.training.config import Config
from ptb.training.perplexity import Evaluator

V, H, L = 7, 4, 3
REAL = Path(__file__).parents[3] / "shared" / "tutorial_checkpoint"


def by_name():
    """Weights under the names of this project."""
    model = LanguageModel(V, H, recurrent_layers("static", "lstm", H, L))
    model.initialize(0.5, seed=2)
    return model.export_weights()


def layer_scope(layer):
    return f"Model/RNN/multi_rnn_cell/cell_{layer}/"


def weights():
    """The same under those of the tutorial's graph."""
    scopes = {f"layers/{i}/": f"{layer_scope(i)}basic_lstm_cell/" for i in range(L)}
    return {
        next(
            (tf1 + n.removeprefix(s) for s, tf1 in scopes.items() if n.startswith(s)), f"Model/{n}"
        ): w
        for n, w in by_name().items()
    }


def write(prefix, tensors):
    """Writes what `tf.compat.v1.train.Saver` does, and the tutorial's other variables."""
    others = {"Model/global_step": np.int64(243), "Train/Model/Variable": np.float32(1)}
    tensors = tensors | others
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return str(prefix)


@pytest.mark.parametrize("cell", ["lstm_cell", "basic_lstm_cell"])
def test_sizes_and_weights_are_those_of_the_checkpoint(tmp_path, cell):
    saved = {name.replace("basic_lstm_cell", cell): w for name, w in weights().items()}
    config, read = read_tutorial_checkpoint(write(tmp_path / "model", saved))
    assert (config.vocab_size, config.hidden_size, config.num_layers) == (V, H, L)
    assert (config.cell, config.forget_bias) == ("lstm", 0.0)
    assert read.keys() == by_name().keys()
    model = LanguageModel(V, H, recurrent_layers("fused", "lstm", H, L))
    model.import_weights(read)
    for name, weight in by_name().items():
        np.testing.assert_array_equal(model.export_weights()[name], weight)


def test_rows_without_a_word_get_a_name_and_words_without_a_row_are_refused(tmp_path):
    prefix = write(tmp_path / "model", weights())
    words = load_tutorial_checkpoint(prefix, Vocabulary("abcde")).vocabulary.words
    assert words == ("a", "b", "c", "d", "e", "<unused_5>", "<unused_6>")
    with pytest.raises(ValueError, match=r"7 words .*8"):
        load_tutorial_checkpoint(prefix, Vocabulary("abcdefgh"))


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_truncated_checkpoint_is_refused(tmp_path, suffix, share):
    prefix = write(tmp_path / "model", weights())
    file = Path(prefix + suffix)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(ValueError, match=r"model cannot be read \(.+\)"):
        read_tutorial_checkpoint(prefix)


def test_a_checkpoint_with_changed_bytes_is_refused(tmp_path):
    prefix = write(tmp_path / "model", weights())
    file = Path(f"{prefix}.data-00000-of-00001")
    file.write_bytes(bytes(255 - byte for byte in file.read_bytes()))
    with pytest.raises(ValueError, match="cannot be read"):
        read_tutorial_checkpoint(prefix)


def test_what_is_no_checkpoint_of_the_tutorial_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_tutorial_checkpoint(str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="cannot be read"):
        read_tutorial_checkpoint(str(tmp_path))
    with pytest.raises(ValueError, match=r"leave out \.index"):
        read_tutorial_checkpoint(write(tmp_path / "model", weights()) + ".index")
    for lacking in ("Model/softmax_b", "cell_0"):
        some = {name: w for name, w in weights().items() if lacking not in name}
        prefix = write(tmp_path / "some", some)
        with pytest.raises(ValueError, match=lacking):
            read_tutorial_checkpoint(prefix)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("Model/softmax_b", lambda w: w[:3], r"softmax_b .*\(3,\) .*\(7,\)"),
        (f"{layer_scope(0)}basic_lstm_cell/kernel", lambda w: w[1:], "kernel of shape"),
        ("Model/softmax_w", lambda w: w * np.nan, "softmax_w .*finite"),
        ("Model/softmax_b", lambda w: w.astype(str), "softmax_b .*finite"),
        ("Model/embedding", lambda w: w[0], r"embedding of shape \("),
    ],
)
def test_weights_that_do_not_fit_or_are_no_numbers_are_refused(tmp_path, name, change, message):
    prefix = write(tmp_path / "model", weights() | {name: change(weights()[name])})
    with pytest.raises(ValueError, match=message):
        read_tutorial_checkpoint(prefix)


@pytest.mark.skipif(not REAL.is_dir(), reason="no checkpoint of the original tutorial is there")
def test_the_perplexity_is_the_one_that_the_tutorial_printed():
    corpus = load_text(REAL / "data", splits=("train", "test"))
    trained = load_tutorial_checkpoint(str(REAL / "model-243"), corpus.vocabulary)
    config = trained.config
    model = LanguageModel(
        config.vocab_size,
        config.hidden_size,
        recurrent_layers("fused", "lstm", config.hidden_size, config.num_layers),
    )
    model.import_weights(trained.weights)
    score = Evaluator(model)(reader.every_token(corpus.test, 1, 20))
    assert score.perplexity == pytest.approx(386.815, abs=5e-4)


def test_tensorflow_finds_a_written_checkpoint_and_goes_on_finding_one_that_was_there(tmp_path):
    config = Config(hidden_size=H, num_layers=L)
    first, second = str(tmp_path / 'a "first" é'), str(tmp_path / "second")
    write_tutorial_checkpoint(first, config, by_name())
    assert not_the_newest(first) is None
    assert tf.train.latest_checkpoint(str(tmp_path)) == first
    assert read_tutorial_checkpoint(str(tmp_path))[0].hidden_size == H
    write_tutorial_checkpoint(second, config, by_name())
    assert not_the_newest(first) is None
    assert "second" in not_the_newest(second)
    (tmp_path / "checkpoint").write_bytes(b"")
    assert "first" in not_the_newest(first)


@pytest.mark.parametrize("name", ["", ".", "folder", "folder/", "folder/.."])
def test_a_path_that_names_no_checkpoint_is_refused(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="names no checkpoint"):
        write_tutorial_checkpoint(f"{tmp_path}/{name}", Config(hidden_size=H), by_name())
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_checkpoint_that_exists_or_cannot_be_written_is_named(tmp_path):
    config = Config(hidden_size=H, num_layers=L)
    prefix = str(tmp_path / "model")
    write_tutorial_checkpoint(prefix, config, by_name())
    before = {Path(prefix + suffix).name: Path(prefix + suffix).read_bytes() for suffix in FILES}
    for name, content in before.items():  # either file alone is refused too
        for path in tmp_path.iterdir():
            path.unlink()
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name} exists: give another name"):
            write_tutorial_checkpoint(prefix, config, by_name())
    before = {name: content}
    with pytest.raises(ValueError, match="cannot be written"):
        write_tutorial_checkpoint(str(tmp_path / next(iter(before)) / "new"), config, by_name())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
