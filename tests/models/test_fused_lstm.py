import numpy as np
import pytest
import tensorflow as tf

from models import fused_lstm, row_parts
from models.language_model import recurrent_layers

T, B, D, H = 4, 5, 3, 3


def windows(seed=1):
    rng = np.random.default_rng(seed)
    inputs = tf.unstack(tf.constant(rng.normal(size=(T, B, D)), tf.float32))
    state = tuple(tf.constant(rng.normal(size=(B, H)), tf.float32) for _ in range(2))
    resets = tf.unstack(tf.constant(rng.random((T, B)) < 0.3))
    return inputs, state, resets


def layer_of(rnn_mode, precision="float32"):
    (layer,) = recurrent_layers(rnn_mode, "lstm", H, 1, 0.5, precision)
    layer.build((None, D))
    rng = np.random.default_rng(2)
    for weight in layer.own_weights().values():
        weight.assign(rng.normal(size=weight.shape).astype(np.float32))
    return layer


def results_of(layer, inputs, state, resets):
    """Outputs, state and the gradients of weights, inputs and state."""
    weights = [weight.value for weight in layer.own_weights().values()]
    with tf.GradientTape() as tape:
        tape.watch((inputs, state))
        outputs, next_state = layer(inputs, state, resets=resets)
        loss = tf.reduce_sum(tf.stack(outputs) ** 2) + tf.reduce_sum(next_state[0])
    return outputs, next_state, tape.gradient(loss, (weights, inputs, state))


def with_cores(monkeypatch, cores, gpu=False):
    monkeypatch.setattr(row_parts, "available_cores", lambda: cores)
    monkeypatch.setattr(row_parts, "on_gpu", lambda: gpu)


@pytest.fixture(params=[None, 1, 3])
def block_steps(monkeypatch, request):
    """Steps of a block: the whole window, one, or three and the last."""
    if request.param:
        monkeypatch.setattr(fused_lstm, "BLOCK_STEPS", request.param)
        monkeypatch.setattr(fused_lstm, "BLOCK_ROWS", 1)
    sizes = [len(block) for block in fused_lstm._blocks([None] * T, B)]
    assert sizes == {None: [4], 1: [1, 1, 1, 1], 3: [3, 1]}[request.param]


@pytest.fixture(params=[False, True])
def by_columns(monkeypatch, request):
    """Whether products read their second factor by columns."""
    monkeypatch.setattr(fused_lstm, "_by_columns", lambda product_dtype: request.param)


@pytest.mark.usefixtures("block_steps", "by_columns")
@pytest.mark.parametrize("documents", [False, True])
@pytest.mark.parametrize(("cores", "sizes"), [(1, [5]), (2, [2, 3]), (8, [1, 1, 1, 2])])
def test_rows_on_several_cores_give_what_one_unroll_gives(monkeypatch, documents, cores, sizes):
    monkeypatch.setattr(fused_lstm, "ROWS_OF_A_PART", 1)
    with_cores(monkeypatch, cores)
    inputs, state, resets = windows()
    parts = row_parts.row_parts((inputs, state, resets), 1, fused_lstm.MOST_PARTS)
    assert [part[0][0].shape[0] for part in parts] == sizes
    rest = inputs, state, resets if documents else None
    expected, found = (results_of(layer_of(mode), *rest) for mode in ("static", "fused"))
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), expected, found
    )


def test_a_small_batch_is_not_split(monkeypatch):
    with_cores(monkeypatch, 2)
    smallest = fused_lstm.ROWS_OF_A_PART
    parts = [row_parts.row_parts(tf.zeros([rows, H]), smallest) for rows in (0, 20, 63, 64)]
    assert [len(each) for each in parts] == [1, 1, 1, 2]


def test_nothing_is_split_on_a_gpu_or_in_a_graph_for_any_number_of_rows(monkeypatch):
    with_cores(monkeypatch, 2, gpu=True)
    assert len(row_parts.row_parts(tf.zeros([64, H]), 32)) == 1
    with_cores(monkeypatch, 2)
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([None, H])])
    def trace(rows):
        seen.append(len(row_parts.row_parts(rows, 32)))

    trace.get_concrete_function()
    assert seen == [1]


@pytest.mark.usefixtures("block_steps", "by_columns")
def test_parts_in_bfloat16_give_what_one_unroll_in_bfloat16_gives(monkeypatch):
    monkeypatch.setattr(fused_lstm, "ROWS_OF_A_PART", 1)
    inputs, state, resets = windows()
    found = []
    for cores in (1, 2):
        with_cores(monkeypatch, cores)
        found.append(results_of(layer_of("fused", "mixed_bfloat16"), inputs, state, resets))
    tf.nest.map_structure(
        # Each product is rounded to 8 binary digits: that of a part, and that of the whole.
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0.02, atol=0.05),
        *found,
    )


AVX512, AMX = "AVX-512 bfloat16", "AMX bfloat16"


@pytest.mark.parametrize(
    ("product_dtype", "units", "gpu", "expected"),
    [
        ("bfloat16", [AVX512], False, True),
        ("bfloat16", [AVX512, AMX], False, False),
        ("bfloat16", [], False, False),
        ("bfloat16", None, False, False),
        ("bfloat16", [AVX512], True, False),
        ("float32", [AVX512], False, False),
        ("float16", [AVX512], False, False),
    ],
)
def test_factors_are_read_by_columns_where_that_is_faster(
    monkeypatch, product_dtype, units, gpu, expected
):
    monkeypatch.setattr(fused_lstm, "units", lambda: units)
    monkeypatch.setattr(fused_lstm, "on_gpu", lambda: gpu)
    assert fused_lstm._by_columns.__wrapped__(product_dtype) == expected
