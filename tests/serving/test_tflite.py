"""The signature `next_id` as a TFLite model, which has no operations on strings."""

import numpy as np
import pytest
import tensorflow as tf

from ptb.serving.saved_model import export
from tests.serving.conftest import make_trained

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's, of its converter


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"cell": "gru"}, {"reset_at": "blank_line"}])
def test_a_tflite_model_gives_what_the_export_gives(tmp_path, settings):
    path = str(export(make_trained(**settings), tmp_path, {}))
    exported = tf.saved_model.load(path).signatures
    converter = tf.lite.TFLiteConverter.from_saved_model(path, signature_keys=["next_id"])
    converted = tf.lite.Interpreter(model_content=converter.convert())
    next_id = converted.get_signature_runner("next_id")
    state = exported["initial_state"](batch_size=tf.constant(1))
    state = {name: part.numpy() for name, part in state.items()}
    for ids in map(np.int32, ([[1, 3]], [[0]], [[0]], [[4, 0, 0, 5]])):
        expected = exported["next_id"](ids=tf.constant(ids), **state)
        found = next_id(ids=ids, **state)
        assert set(found) == set(expected)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5)
        state = {name: found[name] for name in state}
