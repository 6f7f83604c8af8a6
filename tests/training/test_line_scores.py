"""The score of each line: alone it is that of the line, and all together that of the text."""

import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.line_scores import score_lines
from ptb.training.perplexity import Evaluator

V, H, EOS = 9, 5, 0
# A blank line, lines shorter and longer than a window, and an end without a line break.
LINES = [[3, 1, 0], [0], [2, 2, 5, 7, 1, 4, 8, 6, 0], [1, 0], [4, 4, 4]]
TEXT = np.concatenate(LINES).astype(np.int32)


@pytest.fixture(scope="module", params=["lstm", pytest.param("gru", marks=pytest.mark.slow)])
def evaluator(request):
    model = LanguageModel(V, H, recurrent_layers("static", request.param, H, 2))
    model.initialize(0.9, seed=1)
    return Evaluator(model)


@pytest.mark.parametrize(("batch_size", "num_steps"), [(1, 4), (2, 2), (64, 3)])
def test_a_fresh_line_costs_what_it_costs_alone_after_eos(evaluator, batch_size, num_steps):
    windows = reader.every_line(TEXT, EOS, batch_size, num_steps)
    scores = score_lines(evaluator, TEXT, EOS, windows)
    assert windows.batch_size == min(batch_size, len(LINES))
    assert scores.tokens.tolist() == list(map(len, LINES))
    alone = [evaluator(reader.every_token(np.array([EOS, *line]), 1, 4)).nats for line in LINES]
    np.testing.assert_allclose(scores.nats, alone, rtol=1e-5)


def test_the_steps_for_lines_leave_little_padding():
    ids = np.tile([1, 1, 1, 1, 1, 1, 0], 9)
    assert reader.steps_for_lines(ids, 0, 20) == 7
    assert reader.steps_for_lines(ids, 0, 5) == 4


@pytest.mark.parametrize(("batch_size", "num_steps"), [(1, 4), (3, 2)])
def test_carried_lines_add_up_to_the_whole_text(evaluator, batch_size, num_steps):
    windows = reader.every_token(TEXT, batch_size, num_steps)
    scores = score_lines(evaluator, TEXT, EOS, windows)
    assert scores.tokens.tolist() == [2, 1, 9, 2, 3]
    whole = evaluator(windows)
    assert scores.tokens.sum() == whole.tokens
    assert scores.nats.sum() == pytest.approx(whole.nats, rel=1e-6)
    assert [score.perplexity for score in scores][1] == pytest.approx(np.exp(scores.nats[1]))
