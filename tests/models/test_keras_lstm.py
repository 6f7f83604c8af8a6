import keras
import numpy as np
import pytest
import tensorflow as tf

from models.keras_lstm import StatefulLanguageModel
from models.keras_training import TrainingLoss
from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader

V, H, L, B, T = 11, 6, 2, 3, 5


@pytest.fixture
def pair():
    """The same weights as a `LanguageModel` and as a plain, stateful Keras model."""
    explicit = LanguageModel(V, H, recurrent_layers("keras", "lstm", H, L, forget_bias=0.4))
    explicit.initialize(init_scale=0.5, seed=3)
    stateful = StatefulLanguageModel(V, H, L, B)
    stateful.import_weights(explicit.export_weights(), forget_bias=0.4)
    return explicit, stateful


@pytest.fixture
def text():
    return np.random.default_rng(0).integers(V, size=100)


def test_the_stateful_model_carries_its_own_state_to_the_same_numbers(pair, text):
    explicit, stateful = pair
    state = explicit.initial_state(B)
    for inputs, _ in reader.sequential(text, B, T):
        expected, state = explicit(inputs, state)
        np.testing.assert_allclose(stateful(inputs), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LanguageModel(V, H, recurrent_layers("static", "lstm", H, 3)), "layers/2/"),
        (lambda: LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1)), "layers/1/"),
        (lambda: LanguageModel(V, H, recurrent_layers("static", "gru", H, L)), "layers/0/"),
        (lambda: LanguageModel(V + 1, H, recurrent_layers("static", "lstm", H, L)), "embedding"),
        (
            lambda: LanguageModel(V, H, recurrent_layers("static", "lstm", H, L), tie_weights=True),
            "softmax_w",
        ),
        (
            lambda: LanguageModel(V, H, recurrent_layers("static", "lstm", H, L), cutoffs=(5,)),
            "cluster_",
        ),
    ],
)
def test_weights_of_another_model_are_refused(make, said):
    with pytest.raises(ValueError, match=f"the weight {said}.* of another model"):
        StatefulLanguageModel(V, H, L, B).import_weights(make().export_weights(), forget_bias=0.0)


def test_on_a_gpu_the_layer_trains_in_float32_in_place_of_bfloat16(monkeypatch):
    """There the gradient is zero in bfloat16; the layer says so. Nothing else changes."""
    low, exact = (
        recurrent_layers("keras", "lstm", H, 1, 0.4, precision)[0]
        for precision in ("mixed_bfloat16", "float32")
    )
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(B, H)).astype(np.float32) for _ in range(T)]
    for layer in (low, exact):
        layer.build((B, H))
        for weight, seed in zip(layer.trainable_weights, range(3), strict=True):
            weight.assign(np.random.default_rng(seed).normal(size=weight.shape))

    def run(layer, **options):
        """The last outputs, the state after them, and gradients of the weights."""
        weights = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            outputs, state = layer(
                [*map(keras.ops.convert_to_tensor, inputs)], layer.initial_state(B), **options
            )
            loss = tf.reduce_sum(tf.cast(outputs[-1], "float32") ** 2)
        return outputs[-1], *state, *tape.gradient(loss, weights)

    assert {str(part.dtype.name) for part in run(low)[:3]} == {"bfloat16"}
    monkeypatch.setattr("models.keras_lstm.on_gpu", lambda: True)
    resets = list(np.zeros([T, B], bool))
    for options in ({}, {"resets": resets}):
        for part, expected in zip(run(low, **options), run(exact, **options), strict=True):
            np.testing.assert_array_equal(part, expected)
            assert np.any(expected)
    assert low.compute_dtype == low.lstm.compute_dtype == "bfloat16"


def test_reset_state_starts_again_from_zero(pair, text):
    _, stateful = pair
    inputs, _ = reader.sequential(text, B, T)[0]
    first = stateful(inputs).numpy()
    assert np.abs(stateful(inputs).numpy() - first).max() > 1e-3
    stateful.reset_state()
    np.testing.assert_array_equal(stateful(inputs), first)


def test_weights_are_loaded_for_another_batch_size_with_a_state_of_zeros(tmp_path, pair, text):
    explicit, stateful = pair
    inputs, _ = reader.sequential(text, B, T)[0]
    stateful(inputs)
    stateful.save_weights(tmp_path / "model.weights.h5")
    single = StatefulLanguageModel(V, H, L, 1)
    single(inputs[:1])
    single.load_weights(tmp_path / "model.weights.h5")
    expected, _ = explicit(inputs[:1], explicit.initial_state(1))
    np.testing.assert_allclose(single(inputs[:1]), expected, atol=1e-6)


def test_a_file_with_weights_only_is_loaded_with_a_state_of_zeros(tmp_path, pair, text):
    _, stateful = pair
    inputs, _ = reader.sequential(text, B, T)[0]
    first = stateful(inputs).numpy()
    plain = keras.Model(stateful.inputs, stateful.outputs)  # its class saves no state
    plain.save_weights(tmp_path / "model.weights.h5")
    stateful.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(stateful(inputs), first)


def test_plain_compile_and_fit_follow_the_tutorials_loss(pair, text):
    explicit, stateful = pair
    windows = reader.sequential(text, B, T)
    state, expected = explicit.initial_state(B), []
    for window in windows:
        nats, state = explicit.nats(*window, state)
        expected.append(float(np.sum(np.mean(nats, axis=0))))
    stateful.compile(optimizer=keras.optimizers.SGD(0.0), loss=TrainingLoss())
    losses = BatchLosses()
    stateful.fit(windows.dataset(), epochs=1, shuffle=False, verbose=0, callbacks=[losses])
    # Keras reports the running mean of the epoch.
    means = np.cumsum(expected) / np.arange(1, len(expected) + 1)
    np.testing.assert_allclose(losses.values, means, rtol=1e-5)


def test_plain_fit_learns(pair):
    _, stateful = pair
    windows = reader.sequential(np.arange(300) % V, B, T)
    stateful.compile(optimizer=keras.optimizers.SGD(0.5, global_clipnorm=5.0), loss=TrainingLoss())
    history = stateful.fit(windows.dataset(), epochs=15, shuffle=False, verbose=0)
    first, last = history.history["loss"][0], history.history["loss"][-1]
    assert first > 0.5 * T * np.log(V)
    assert last < 0.1 * first


class BatchLosses(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(logs["loss"])
