"""The page for people who come from TensorFlow 1: each line of its code runs."""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf

import ptb
from models.cells import BasicRNNCell, GRUCell, LSTMCell, PeepholeLSTMCell
from models.dropout import dropout
from models.dynamic_rnn import dynamic_rnn
from models.fused_lstm import FusedLSTM
from models.keras_lstm import KerasLSTM
from models.language_model import recurrent_layers
from models.static_rnn import static_rnn
from ptb.data import reader
from ptb.training.config import Config
from ptb.training.model import build_model
from ptb.training.perplexity import Evaluator
from ptb.training.step import TrainStep

PAGE = (Path(__file__).parents[2] / "docs" / "from_tf1.md").read_text("utf-8")
CODE = re.findall(r"^\|.*\| `([^`|]+)` \|$", PAGE.partition("## Flags")[0], re.M)


def test_each_line_of_code_runs_in_the_order_of_the_page(tmp_path, eagerly):
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.txt").write_text("the cat sat on the mat\n" * 30)
    names = {
        **{"ptb": ptb, "reader": reader, "tf": tf, "path": tmp_path},
        **{"static_rnn": static_rnn, "dynamic_rnn": dynamic_rnn, "dropout": dropout},
        **{"LSTMCell": LSTMCell, "PeepholeLSTMCell": PeepholeLSTMCell, "GRUCell": GRUCell},
        **{"BasicRNNCell": BasicRNNCell, "FusedLSTM": FusedLSTM, "KerasLSTM": KerasLSTM},
        **{"recurrent_layers": recurrent_layers, "build_model": build_model},
        **{"TrainStep": TrainStep, "Evaluator": Evaluator},
        "ids": np.arange(40, dtype=np.int32),
        "x": tf.ones([3, 4, 2]),
        "config": Config(hidden_size=5, num_steps=4, batch_size=3, num_epochs=1),
    }
    assert len(CODE) == 23
    for line in CODE:
        exec(line, names)
    assert names["inputs"].shape == (3, 4)
    assert len(names["outputs"]) == 4
    assert names["outputs"][0].shape == (3, 5)
    assert names["costs"].shape == (len(names["windows"]),)
    assert names["score"].tokens == 39
    assert names["result"].trained.config.hidden_size == 5
