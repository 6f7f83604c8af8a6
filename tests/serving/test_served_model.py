import numpy as np
import pytest
import tensorflow as tf

from models.registry import CELLS
from ptb.data import reader, text
from ptb.serving.inference import ROWS_AT_ONCE
from ptb.serving.sampling import Sampling
from ptb.serving.saved_model import served_model
from ptb.training.model import build_model
from ptb.training.perplexity import Evaluator
from tests.serving.conftest import WORDS, make_trained

TEXT = "the cat sat on the mat\nthe zebra ran a b\nthe c"
DOCUMENTS = ("the cat sat\n", "\n", "on the mat")
CASES = [
    *(
        pytest.param({"cell": cell}, marks=pytest.mark.slow)
        for cell in CELLS
        if cell not in ("lstm", "rnn")
    ),
    {"forget_bias": 1.5},
    pytest.param({"cell": "rnn", "tie_weights": True}, marks=pytest.mark.slow),
    {"tie_weights": True, "softmax": "adaptive", "adaptive_cutoffs": "4,9"},
    {"reset_at": "line"},
]


def evaluated(trained, text):
    """What evaluate.py gives a text without its line break at the end."""
    ids = trained.vocabulary.encode(text.replace("\n", " <eos> ").split())
    model = build_model(trained.config, len(trained.vocabulary))
    model.import_weights(trained.weights)
    return Evaluator(model)(reader.every_token(ids, 1, 4, trained.borders))


@pytest.mark.parametrize("settings", CASES)
def test_a_score_is_what_evaluation_gives_the_same_text(settings):
    trained = make_trained(**settings)
    expected = evaluated(trained, TEXT)
    with served_model(trained) as module:
        score = module.score(tf.constant([TEXT]))
    assert float(score["log_prob"][0]) == pytest.approx(-expected.nats, rel=1e-5)
    assert int(score["num_tokens"][0]) == expected.tokens
    assert float(score["perplexity"][0]) == pytest.approx(expected.perplexity, rel=1e-5)
    assert int(score["num_unknown"][0]) == 1
    assert score["token_log_probs"].numpy().sum() == pytest.approx(-expected.nats, rel=1e-5)


def test_a_text_of_more_than_one_part_of_the_softmax_scores_the_same(trained, served):
    text = " ".join(np.random.default_rng(0).choice(trained.vocabulary.words, ROWS_AT_ONCE + 50))
    score = served.score(tf.constant([text]))
    assert float(score["log_prob"][0]) == pytest.approx(-evaluated(trained, text).nats, rel=1e-5)


def test_rows_of_other_lengths_do_not_change_a_score(served):
    alone = [served.score(tf.constant([text])) for text in ("the cat", TEXT, "", "dog")]
    together = served.score(tf.constant(["the cat", TEXT, "", "dog"]))
    for name in ("log_prob", "num_tokens", "perplexity", "num_unknown"):
        rows = np.concatenate([score[name] for score in alone])
        np.testing.assert_allclose(together[name], rows, rtol=1e-6)


def test_nothing_to_predict_costs_nothing(served):
    score = served.score(tf.constant(["", "cat", " \n"]))
    assert score["num_tokens"].numpy().tolist() == [0, 0, 0]
    assert score["log_prob"].numpy().tolist() == [0, 0, 0]
    assert score["perplexity"].numpy().tolist() == [1, 1, 1]
    assert all(len(rows) == 0 for rows in served.score(tf.zeros([0], tf.string)).values())


@pytest.fixture(scope="module", params=[pytest.param("line", marks=pytest.mark.slow), "blank_line"])
def of_documents(request):
    with served_model(make_trained(reset_at=request.param)) as module:
        yield module


def test_documents_score_as_each_does_alone_padded_or_not(of_documents):
    together = of_documents.score(tf.constant(["".join(DOCUMENTS), "", "dog"]))
    parts = [DOCUMENTS[0] + DOCUMENTS[1], DOCUMENTS[2]]
    alone = of_documents.score(tf.constant(parts))
    assert together["num_tokens"].numpy().tolist() == [8, 0, 1]
    assert float(together["log_prob"][0]) == pytest.approx(sum(alone["log_prob"].numpy()), rel=1e-5)
    assert [word.bits is None for word in of_documents.words(b"the cat")] == [False, False]


def test_no_state_crosses_a_document_when_words_are_read_or_drawn(of_documents):
    call = of_documents.signatures()
    first = call["initial_state"](batch_size=tf.constant(1))

    def after(words):
        state = dict(first)
        for word in words:
            answer = call["next_word"](words=tf.constant([[word]]), **state)
            state = {name: answer[name] for name in state}
        return answer["log_probs"].numpy()

    begun = after(["the", "cat", "<eos>", "<eos>", "on"])
    np.testing.assert_allclose(begun, after(["on"]), rtol=1e-5)
    at_once = call["next_word"](words=tf.constant([["cat", "<eos>", "<eos>", "on"]]), **first)
    np.testing.assert_allclose(at_once["log_probs"], begun, rtol=1e-5)
    greedy = Sampling(temperature=0.0)
    texts = ("the cat\n\non", "on", "", "\n\n")
    drawn = [list(of_documents.stream(text.split(each), 8, greedy, seed=1)) for each in texts]
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]


def test_each_word_has_its_own_surprisal(served):
    words = served.words(b"the zebra <eos>")
    assert [(word.text, word.is_unknown) for word in words] == [
        ("the", False), ("zebra", True), ("<eos>", False),
    ]  # fmt: skip
    assert words[0].bits is None
    bits = sum(word.bits for word in words[1:])
    score = served.score(tf.constant(["the zebra <eos>"]))
    assert bits * np.log(2) == pytest.approx(-float(score["log_prob"][0]), rel=1e-6)


def test_lowercase_and_characters_are_read_as_the_run_read_them():
    chars = make_trained(("<eos>", "a", " ", "b", "é"), tokens="char", lowercase=True)
    with served_model(chars) as module:
        assert [word.text for word in module.words("A  É\nB".encode())] == [
            "a", " ", " ", "é", "<eos>", "b",
        ]  # fmt: skip
        text = "".join(module.stream(["a"], 6, Sampling(), seed=3))
    assert set(text.replace("<eos>", "")) <= set("a bé")


def test_a_streamed_text_does_not_depend_on_how_long_it_gets(served):
    short = list(served.stream(["the", "cat"], 3, Sampling(0.7, 5, 0.9), seed=2))
    long = list(served.stream(["the", "cat"], 9, Sampling(0.7, 5, 0.9), seed=2))
    assert long[:3] == short
    endless = served.stream(["the", "cat"], 20_000, Sampling(0.7, 5, 0.9), seed=2)
    assert [next(endless) for _ in range(3)] == short
    assert list(served.stream(["the", "cat"], 9, Sampling(), seed=2, row=1)) != long


def test_unk_is_not_drawn_where_it_must_not_be(served):
    with_unknown = list(served.stream(["the"], 60, Sampling(1.5), seed=2))
    without = list(served.stream(["the"], 60, Sampling(1.5), seed=2, never=WORDS.index("<unk>")))
    assert "<unk>" in with_unknown and "<unk>" not in without
    first = with_unknown.index("<unk>")
    assert without[:first] == with_unknown[:first]


def test_a_text_stops_at_the_end_of_its_line(served):
    text = list(served.stream(["the"], 60, Sampling(1.5), seed=2))
    line = list(served.stream(["the"], 60, Sampling(1.5), seed=2, stop_at_line=True))
    assert line == text[: text.index("<eos>")]


def test_a_prefix_in_parts_is_the_same_prefix(served, monkeypatch):
    prefix = text.split(TEXT)
    whole = list(served.stream(prefix, 9, Sampling(), seed=1))
    monkeypatch.setattr("ptb.serving.served_model.MAX_PART_TOKENS", 4)
    assert list(served.stream(prefix, 9, Sampling(), seed=1)) == whole
