"""`reset_at`: a document is read as if it stood alone, wherever in a window it begins."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from models.registry import CELLS, rnn_modes
from ptb.data import reader
from ptb.data.documents import BLANK_LINE, LINE, Borders, borders_of
from ptb.data.vocabulary import Vocabulary
from ptb.training.config import Config
from ptb.training.dynamic_evaluation import DynamicEvaluator
from ptb.training.line_scores import score_lines
from ptb.training.loop import Training
from ptb.training.neural_cache import CacheEvaluator
from ptb.training.perplexity import Evaluator
from tests.training.test_loop import without_clock

V, H, EOS = 9, 5, 0
# Shorter and longer than a window, an empty line, two of them, and an end without a line break.
LINES = [[3, 1, 0], [2, 2, 5, 7, 1, 4, 8, 6, 0], [0], [1, 0], [0], [0], [4, 4, 4]]
TEXT = np.concatenate(LINES).astype(np.int32)
# What a blank line ends is a document, and so is a second blank line after it.
BLOCKS = [LINES[0] + LINES[1] + LINES[2], LINES[3] + LINES[4], LINES[5], LINES[6]]
DOCUMENTS = {LINE: LINES, BLANK_LINE: BLOCKS}
UNROLLS = [(cell, rnn_mode) for cell in CELLS for rnn_mode in rnn_modes(cell)]


def make_model(cell="lstm", rnn_mode="fused", **settings):
    model = LanguageModel(V, H, recurrent_layers(rnn_mode, cell, H, 2), **settings)
    model.initialize(0.9, seed=1)
    return model


@pytest.fixture(scope="module")
def model():
    return make_model()


def alone(evaluator, document):
    """The nats of a document that is all there is."""
    return evaluator(reader.every_token(np.array([EOS, *document]), 1, 4)).nats


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("a||b||c|", 3),
        ("a||||b||||c|", 3),
        ("|||a|", 1),
        ("a|||||", 1),
        ("a|b|c", 1),
        ("|a||b||", 2),
    ],
)
def test_a_document_is_a_block_however_many_blank_lines_are_around_it(text, blocks):
    ids = np.array(["|abc".index(letter) for letter in text])
    assert Borders(BLANK_LINE, 0).count(ids) == blocks


def test_documents_are_told_apart_by_lines_or_by_blank_lines():
    vocabulary = Vocabulary(["<eos>", "a"])
    stream = np.array([0, 1, 0, 1, 0, 0, 0, 1, 0])
    line, blank = (borders_of(at, vocabulary) for at in (LINE, BLANK_LINE))
    assert np.flatnonzero(line.resets(stream)).tolist() == [0, 2, 4, 5, 6, 8]
    assert np.flatnonzero(blank.resets(stream)).tolist() == [5, 6]
    assert [each.count(TEXT) for each in (Borders(LINE, 0), Borders(BLANK_LINE, 0))] == [7, 3]
    assert borders_of("none", vocabulary) is None
    with pytest.raises(ValueError, match="reset_at=line needs <eos>"):
        borders_of(LINE, Vocabulary(["a"]))


@pytest.mark.parametrize("at", DOCUMENTS)
@pytest.mark.parametrize(
    "num_steps", [4, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (1, 40))]
)
def test_a_text_costs_what_its_documents_cost_alone(model, at, num_steps):
    windows = reader.every_token(TEXT, 1, num_steps, Borders(at, EOS))
    score = Evaluator(model)(windows)
    assert score.tokens == len(TEXT)
    expected = sum(alone(Evaluator(model), document) for document in DOCUMENTS[at])
    assert score.nats == pytest.approx(expected, rel=1e-5)


def test_lines_that_carry_no_state_cost_what_they_cost_alone(model):
    evaluator, borders = Evaluator(model), Borders(LINE, EOS)
    scores = score_lines(evaluator, TEXT, EOS, reader.every_token(TEXT, 1, 4, borders))
    assert scores.tokens.tolist() == list(map(len, LINES))
    np.testing.assert_allclose(scores.nats, [alone(evaluator, line) for line in LINES], rtol=1e-5)


def test_the_cache_of_a_document_has_only_its_own_words(model):
    evaluator = CacheEvaluator(model, 6, 2.0, 0.3)
    score = evaluator(reader.every_token(TEXT, 1, 4, Borders(BLANK_LINE, EOS)))
    expected = sum(alone(evaluator, document) for document in BLOCKS)
    assert score.nats == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_dynamic_evaluation_that_learns_nothing_is_the_plain_evaluation(model):
    windows = reader.every_token(TEXT, 1, 4, Borders(BLANK_LINE, EOS))
    learned = DynamicEvaluator(model, windows, rate=0.0, decay=0.0)(windows)
    assert learned.nats == pytest.approx(Evaluator(model)(windows).nats, rel=1e-6)
    assert DynamicEvaluator(model, windows, rate=0.1, decay=0.0)(windows).nats != learned.nats


def gradients(model, tokens, targets, resets=None, **options):
    """The next state, and the gradients of the summed nats of one row from a state of ones."""
    state = tf.nest.map_structure(tf.ones_like, model.initial_state(1))
    if options.pop("is_fresh", False):
        state = model.initial_state(1)
    with tf.GradientTape() as tape:
        if resets is not None:
            resets = tf.constant([resets])
        nats, state = model.nats([tokens], [targets], state, resets=resets, **options)
        total = tf.reduce_sum(nats)
    found = tape.gradient(total, [weight.value for weight in model.trainable_weights])
    return tf.nest.flatten(state), [tf.convert_to_tensor(each).numpy() for each in found]


@pytest.mark.parametrize(("cell", "rnn_mode"), UNROLLS)
def test_the_gradient_of_a_window_with_a_border_is_that_of_two_windows(cell, rnn_mode):
    model = make_model(cell, rnn_mode)
    tokens, targets, resets = [3, 1, 0, 2, 5, 7, 1], [1, 0, 2, 5, 7, 1, 4], [0, 0, 1, 0, 0, 0, 0]
    state, whole = gradients(model, tokens, targets, np.array(resets, bool))
    _, first = gradients(model, tokens[:2], targets[:2])
    expected, second = gradients(model, tokens[2:], targets[2:], is_fresh=True)
    for found, wanted in zip(state, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    for found, a, b in zip(whole, first, second, strict=True):
        np.testing.assert_allclose(found, a + b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rnn_mode", ["fused", "static", "keras"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_rows_begin_documents_each_at_its_own_place_with_any_dropout(rnn_mode, precision):
    layers = recurrent_layers(rnn_mode, "lstm", H, 2, precision=precision)
    dropouts = dict.fromkeys(("keep_prob", "weight_keep_prob", "embedding_keep_prob"), 0.7)
    model = LanguageModel(V, H, layers, **dropouts)
    static = make_model(rnn_mode="static", **dropouts)
    model.import_weights(static.export_weights())
    tokens = tf.constant([[3, 0, 2, 5], [0, 4, 4, 0]])
    targets, resets = tf.constant([[0, 2, 5, 1], [4, 4, 0, 6]]), tokens == EOS
    options = {"training": True, "seed": [1, 2], "resets": resets}
    nats, _ = model.nats(tokens, targets, model.initial_state(2), **options)
    expected, _ = static.nats(tokens, targets, static.initial_state(2), **options)
    np.testing.assert_allclose(nats, expected, rtol=1e-5 if precision == "float32" else 0.05)


CONFIG = Config(
    hidden_size=H,
    num_layers=1,
    num_steps=4,
    batch_size=4,
    num_epochs=2,
    keep_prob=0.8,
    reset_at=LINE,
)
TRAIN, VALID = (np.arange(n, dtype=np.int32) ** 2 % V for n in (200, 130))


def make_training(config=CONFIG):
    layers = recurrent_layers("fused", "lstm", H, 1)
    model = LanguageModel(V, H, layers, config.keep_prob)
    training = Training(
        *(model, TRAIN, VALID, config), windows_per_call=3, borders=Borders(config.reset_at, EOS)
    )
    training.initialize()
    return training


@pytest.mark.parametrize("sampling", ["sequential", pytest.param("random", marks=pytest.mark.slow)])
def test_a_training_with_documents_resumes_to_the_bit(sampling):
    config = dataclasses.replace(CONFIG, sampling=sampling)
    whole, begun, resumed = make_training(config), make_training(config), make_training(config)
    costs = [cost for part in whole.advance() for cost in part]
    steps = begun.advance()
    first = next(steps) + next(steps)
    resumed.restore(begun.state.export())
    assert first + [cost for part in resumed.advance() for cost in part] == costs
    reports = [each.state.progress.reports for each in (whole, resumed)]
    assert list(map(without_clock, reports[0])) == list(map(without_clock, reports[1]))
    ends = whole.state.model.export_weights(), resumed.state.model.export_weights()
    for name, weight in ends[0].items():
        np.testing.assert_array_equal(weight, ends[1][name])


def test_training_and_validation_zero_the_state_at_each_document():
    training = make_training(dataclasses.replace(CONFIG, keep_prob=1.0))
    model, windows = training.state.model, reader.sequential(np.array([EOS, *TRAIN]), 4, 4)
    tokens, targets = windows[0]
    nats, _ = model.nats(tokens, targets, model.initial_state(4), resets=tokens == EOS)
    expected = float(tf.reduce_sum(tf.reduce_mean(nats, axis=0)))
    assert next(training.advance())[0] == pytest.approx(expected, rel=1e-5)
    for _ in training.advance():
        pass
    windows = reader.validation(VALID, 4, 4, Borders(LINE, EOS))
    report = training.state.progress.reports[-1]
    assert report.valid_perplexity == Evaluator(model)(windows).perplexity


def test_a_config_with_documents_needs_their_borders():
    with pytest.raises(ValueError, match="reset_at=line"):
        Training(make_training().state.model, TRAIN, VALID, CONFIG)
