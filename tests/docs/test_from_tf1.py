"""The page for people who come from TensorFlow 1: each line of its code runs."""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf

PAGE = (Path(__file__).parents[2] / "docs" / "from_tf1.md").read_text("utf-8")
(IMPORTS,) = re.findall("^```python\n(.*?)^```", PAGE, re.M | re.S)
CODE = re.findall(r"^\|.*\| `([^`|]+)` \|$", PAGE.partition("## Flags")[0], re.M)


def test_each_line_of_code_runs_in_the_order_of_the_page(tmp_path, eagerly):
    for split in ("train", "valid", "test"):
        (tmp_path / f"{split}.txt").write_text("the cat sat on the mat\n" * 30)
    names = {
        "path": tmp_path,
        "ids": np.arange(40, dtype=np.int32),
        "x": tf.ones([3, 4, 2]),
    }
    exec(IMPORTS, names)
    assert len(CODE) == 26
    for line in CODE:
        exec(line, names)
    assert names["inputs"].shape == (3, 4)
    assert len(names["outputs"]) == 4
    assert names["outputs"][0].shape == (3, 5)
    assert names["costs"].shape == (len(names["windows"]),)
    assert names["score"].tokens == 39
    assert names["result"].trained.config.hidden_size == 5
