import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.dynamic_evaluation import EPSILON, DynamicEvaluator
from ptb.training.perplexity import Evaluator

V, H, T = 7, 5, 4


def make_model(rnn_mode="static"):
    model = LanguageModel(V, H, recurrent_layers(rnn_mode, "lstm", H, 1))
    model.initialize(0.5, seed=2)
    return model


def windows_over(seed, length):
    ids = np.random.default_rng(seed).integers(V, size=length).astype(np.int32)
    return reader.every_token(ids, 1, T)


def gradients_of(model, window, length, state):
    tokens, targets = window
    with tf.GradientTape() as tape:
        nats, state = model.nats(tokens, targets, state)
        mean = tf.reduce_mean(nats[0, :length])
    weights = [weight.value for weight in model.trainable_weights]
    gradients = [np.array(tf.convert_to_tensor(g)) for g in tape.gradient(mean, weights)]
    return float(tf.reduce_sum(nats[0, :length])), state, gradients


def expected_nats(model, train, windows, rate, decay):
    """The paper's equations, window by window in NumPy."""
    weights = [weight.value for weight in model.trainable_weights]
    squares, state = 0, model.initial_state(1)
    for k in range(len(train)):
        _, state, gradients = gradients_of(model, train[k], train.lengths[k, 0], state)
        squares = [g * g + (squares[i] if squares else 0) for i, g in enumerate(gradients)]
    rms = [np.sqrt(square / len(train)) for square in squares]
    mean = np.concatenate([m.ravel() for m in rms]).mean()
    trained, total, state = [w.numpy() for w in weights], 0.0, model.initial_state(1)
    for k in range(len(windows)):
        nats, state, gradients = gradients_of(model, windows[k], windows.lengths[k, 0], state)
        total += nats
        for weight, g, m, start in zip(weights, gradients, rms, trained, strict=True):
            now = weight.numpy()
            back = np.minimum(decay * m / mean, 1) * (now - start)
            weight.assign(now - rate * g / (m + EPSILON) - back)
    for weight, start in zip(weights, trained, strict=True):
        weight.assign(start)
    return total


def test_each_word_is_predicted_before_it_is_learned_from_by_the_papers_equations():
    model, train, windows = make_model(), windows_over(1, 60), windows_over(3, 31)
    score = DynamicEvaluator(model, train, rate=0.01, decay=0.1)(windows)
    expected = expected_nats(model, train, windows, rate=0.01, decay=0.1)
    assert score.nats == pytest.approx(expected, rel=1e-5)
    assert abs(score.nats - Evaluator(model)(windows).nats) > 0.01


def test_the_weights_are_restored_and_a_second_evaluation_is_the_first():
    model, windows = make_model(), windows_over(3, 31)
    before = model.export_weights()
    evaluate = DynamicEvaluator(model, windows_over(1, 60), rate=0.01, decay=0.1)
    first, second = evaluate(windows).nats, evaluate(windows).nats
    assert first == second
    for name, weight in model.export_weights().items():
        np.testing.assert_array_equal(weight, before[name])


def test_without_a_rate_nothing_is_learned():
    model, windows = make_model(), windows_over(3, 31)
    score = DynamicEvaluator(model, windows_over(1, 60), rate=0.0, decay=0.0)(windows)
    assert score.nats == pytest.approx(Evaluator(model)(windows).nats, rel=1e-6)


def test_the_figure_does_not_depend_on_how_a_layer_keeps_its_weights():
    """Keras has two kernels where the others have one, in another order of the gates."""
    static, keras = make_model("static"), make_model("keras")
    keras.import_weights(static.export_weights())
    nats = [
        DynamicEvaluator(model, windows_over(1, 60), rate=0.01, decay=0.1)(windows_over(3, 31)).nats
        for model in (static, keras)
    ]
    assert nats[1] == pytest.approx(nats[0], rel=1e-5)


def test_the_weights_are_restored_after_a_text_that_is_scored_line_by_line():
    model, windows = make_model(), windows_over(3, 31)
    evaluate = DynamicEvaluator(model, windows_over(1, 60), rate=0.01, decay=0.1)
    first, second = evaluate.each(windows), evaluate.each(windows)
    np.testing.assert_array_equal(first, second)
    assert first.sum() == pytest.approx(evaluate(windows).nats, rel=1e-6)
