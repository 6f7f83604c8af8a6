import keras
import numpy as np
import pytest
import tensorflow as tf

from models.keras_lstm import StatefulLanguageModel
from models.keras_training import Perplexity, ResetState, TrainingLoss
from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.perplexity import Evaluator

V, H, L, B, T = 11, 6, 2, 3, 5
TEXT = np.random.default_rng(0).integers(V, size=107)
TRAIN, VALID = reader.sequential(TEXT[:70], B, T), reader.every_token(TEXT, B, T)


@pytest.fixture(scope="module")
def exact():
    """The perplexity of VALID by the project's own evaluation, and the weights."""
    model = LanguageModel(V, H, recurrent_layers("keras", "lstm", H, L))
    model.initialize(init_scale=0.9, seed=3)
    return Evaluator(model)(VALID).perplexity, model.export_weights()


def make(weights, loss=None, graph=False):
    model = StatefulLanguageModel(V, H, L, B)
    model.import_weights(weights, forget_bias=0.0)
    model.compile(
        *(keras.optimizers.SGD(0.0), loss or TrainingLoss()),
        weighted_metrics=[Perplexity()],
        run_eagerly=not graph,  # tracing takes longer than the few windows here
    )
    return model


def test_evaluate_and_validation_give_the_exact_perplexity_of_padded_windows(exact):
    perplexity, weights = exact
    assert VALID.lengths.min() == 0  # a row is all padding in the last window
    model = make(weights, graph=True)
    options = {"verbose": 0, "callbacks": [ResetState()]}
    score = model.evaluate(VALID.dataset(), return_dict=True, **options)
    assert score["perplexity"] == pytest.approx(perplexity, rel=1e-6)
    history = model.fit(
        TRAIN.dataset(), validation_data=VALID.dataset(), epochs=2, shuffle=False, **options
    ).history
    np.testing.assert_allclose(history["val_perplexity"], [perplexity] * 2, rtol=1e-6)
    # Without padding the loss is the perplexity too.
    np.testing.assert_allclose(np.exp(np.divide(history["loss"], T)), history["perplexity"], 1e-5)


def test_keras_own_mean_over_all_entries_is_another_figure(exact):
    """Its nats are divided by B T a window: what the metric and the loss are for."""
    perplexity, weights = exact
    model = make(weights, TrainingLoss(reduction="sum_over_batch_size"))
    score = model.evaluate(VALID.dataset(), return_dict=True, verbose=0, callbacks=[ResetState()])
    real = VALID.num_tokens / (len(VALID) * B * T)
    assert np.exp(score["loss"] / T) == pytest.approx(perplexity**real, rel=1e-5)
    assert perplexity**real < 0.9 * perplexity


def test_the_loss_of_a_padded_window_is_num_steps_times_the_mean_over_its_real_targets():
    logits = np.random.default_rng(1).normal(size=(2, 3, V)).astype(np.float32)
    targets, mask = np.array([[1, 2, 3], [4, 5, 0]]), np.array([[1, 1, 1], [1, 0, 0]], np.float32)
    log_probs = tf.nn.log_softmax(logits).numpy()
    nats = [-log_probs[row, t, targets[row, t]] for row, t in np.argwhere(mask)]
    assert float(TrainingLoss()(targets, logits, mask)) == pytest.approx(
        3 * np.mean(nats), rel=1e-6
    )


def test_a_perplexity_that_gets_no_mask_is_refused(exact):
    _, weights = exact
    model = StatefulLanguageModel(V, H, L, B)
    model.import_weights(weights, forget_bias=0.0)
    model.compile(loss=TrainingLoss(), metrics=[Perplexity()], run_eagerly=True)
    with pytest.raises(ValueError, match="weighted_metrics"):
        model.evaluate(VALID.dataset(), verbose=0)


def test_without_a_reset_a_text_is_read_in_the_context_of_another(exact):
    perplexity, weights = exact
    model = make(weights)
    values = [
        model.evaluate(VALID.dataset(), return_dict=True, verbose=0)["perplexity"] for _ in range(2)
    ]
    assert values[0] == pytest.approx(perplexity, rel=1e-6)
    assert abs(values[1] / perplexity - 1) > 1e-5


def test_a_saved_model_is_read_again_with_its_compilation_and_its_state(exact, tmp_path):
    perplexity, weights = exact
    model = make(weights)
    model.evaluate(VALID.dataset(), verbose=0)  # leaves a state
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, StatefulLanguageModel)
    window, _ = TRAIN[0]
    in_context = model(window).numpy()
    np.testing.assert_array_equal(loaded(window), in_context)
    loaded.reset_state()
    assert np.abs(loaded(window) - in_context).max() > 1e-3
    options = {"verbose": 0, "callbacks": [ResetState()]}
    score = loaded.evaluate(VALID.dataset(), return_dict=True, **options)
    assert score["perplexity"] == pytest.approx(perplexity, rel=1e-6)
