import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.perplexity import Evaluator, Score

V, H = 17, 6
TEXT = np.random.default_rng(0).integers(V, size=150).astype(np.int32)


def make_model(rnn_mode="static", cell="lstm", init_scale=0.5):
    model = LanguageModel(V, H, recurrent_layers(rnn_mode, cell, H, 2), keep_prob=0.5)
    model.initialize(init_scale, seed=1)
    return model


def score(model, batch_size=1, num_steps=7):
    return Evaluator(model)(reader.every_token(TEXT, batch_size, num_steps))


def test_uniform_logits_have_the_perplexity_of_the_vocabulary():
    result = score(make_model(init_scale=0.0))
    assert result.perplexity == pytest.approx(V, rel=1e-6)
    assert result.tokens == len(TEXT) - 1


@pytest.mark.parametrize(
    "rnn_mode", [pytest.param("static", marks=pytest.mark.slow), "fused", "keras"]
)
@pytest.mark.parametrize("batch_size", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_the_nats_do_not_depend_on_num_steps(rnn_mode, batch_size):
    model = make_model(rnn_mode)
    nats = [score(model, batch_size, num_steps).nats for num_steps in (1, 7, 40)]
    np.testing.assert_allclose(nats, nats[0], rtol=1e-6)


def test_batch_size_one_is_the_sum_over_the_whole_text_at_once():
    model = make_model()
    nats, _ = model.nats(TEXT[None, :-1], TEXT[None, 1:], model.initial_state(1))
    assert score(model).nats == pytest.approx(float(np.sum(nats, dtype=np.float64)), rel=1e-6)


def test_rows_beyond_the_first_start_cold():
    model = make_model()
    row_len = -(-149 // 4)
    expected = 0.0
    for start in range(0, 149, row_len):
        row = TEXT[None, start : start + row_len + 1]
        nats, _ = model.nats(row[:, :-1], row[:, 1:], model.initial_state(1))
        expected += float(np.sum(nats))
    assert score(model, batch_size=4).nats == pytest.approx(expected, rel=1e-6)


def test_a_reloaded_model_scores_identically():
    model, other = make_model(), make_model(init_scale=0.1)
    assert score(model).nats != score(other).nats
    other.import_weights(model.export_weights())
    assert score(model).nats == score(other).nats


def test_progress_counts_every_token():
    counts = []
    Evaluator(make_model())(reader.every_token(TEXT, 3, 1), progress=counts.append)
    assert sum(counts) == len(TEXT) - 1


def test_perplexity_is_exponentiated_once_from_the_sums():
    assert Score(nats=np.log(8.0) * 5, tokens=5, seconds=2.0).perplexity == pytest.approx(8.0)
    assert Score(nats=1e6, tokens=1, seconds=1.0).perplexity == np.inf
    assert Score(nats=1.0, tokens=10, seconds=2.0).words_per_second == 5


def test_texts_of_any_length_need_two_traces_and_score_as_if_alone():
    model = make_model("fused")
    evaluator = Evaluator(model)
    texts = [TEXT, TEXT[:100], TEXT[:40], TEXT[3:90]]
    nats = [evaluator(reader.every_token(text, 1, 7)).nats for text in texts]
    alone = [Evaluator(model)(reader.every_token(text, 1, 7)).nats for text in texts]
    np.testing.assert_allclose(nats, alone, rtol=1e-6)
    assert evaluator._score.experimental_get_tracing_count() == 2


def test_the_score_is_the_sum_of_the_tokens_where_lines_start_anew():
    evaluate, windows = Evaluator(make_model()), reader.every_line(TEXT, 0, 3, 4)
    assert evaluate(windows).nats == pytest.approx(evaluate.each(windows).sum(), rel=1e-6)
