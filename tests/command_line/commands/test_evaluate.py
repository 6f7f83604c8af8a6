import contextlib
from types import SimpleNamespace

import pytest

from ptb.command_line.commands import evaluate
from ptb.training.perplexity import Score


@pytest.mark.parametrize(("tokens", "unit"), [("word", "words"), ("char", "tokens")])
def test_the_speed_of_several_texts_is_that_of_all_together(tokens, unit, monkeypatch, capsys):
    scores = [Score(10.0, 100, 1.0), Score(30.0, 300, 7.0)]
    bar = SimpleNamespace(update=None)
    monkeypatch.setattr(evaluate, "FLAGS", SimpleNamespace(json=False, reset_at="none"))
    monkeypatch.setattr(evaluate, "_bar", lambda text: contextlib.nullcontext(bar))
    monkeypatch.setattr(evaluate, "_print_score", lambda *_: None)
    texts = [
        evaluate.Text(None, "test", name, score) for name, score in zip("ab", scores, strict=True)
    ]
    trained = SimpleNamespace(name="run, epoch 1", tokens=tokens)
    evaluate._print_scores(lambda score, progress: score, texts, trained)
    assert capsys.readouterr().out.splitlines() == [
        *("a:", "b:", "all 2 texts: perplexity 1.105", "40.000 nats over 400 tokens"),
        f"50 {unit}/s, weights of run, epoch 1",
    ]
