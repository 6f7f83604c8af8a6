"""The grammar's floors against brute force, and the built-in corpus against its description."""

import hashlib
import itertools
import math
from collections import Counter

import numpy as np
import pytest

from ptb.data.grammar import EOS, SPLIT_TOKENS, VOWELS, Grammar, default_grammar, generate, zipf

TINY_TRANSITIONS = {
    "start": {"topic 1": (0.3, "one"), "topic 2": (0.7, "two")},
    "one": {"filler": (0.6, "one"), "word 1": (0.3, "one"), "end": (0.1, "start")},
    "two": {"filler": (0.5, "two"), "word 2": (0.1, "two"), "end": (0.4, "start")},
}
TINY_WORDS = {
    "topic 1": {"a": 1.0},
    "topic 2": {"b": 1.0},
    "filler": {"f": 0.75, "g": 0.25},
    "word 1": {"u": 1.0},
    "word 2": {"v": 1.0},
    "end": {EOS: 1.0},
}


@pytest.fixture(scope="module")
def tiny():
    return Grammar(TINY_TRANSITIONS, TINY_WORDS, start="start")


@pytest.fixture(scope="module")
def grammar():
    return default_grammar()


@pytest.fixture(scope="module")
def corpus():
    return generate()


def word_matrices():
    """`{word: [state, next state] probabilities}` of the tiny grammar, written out by hand."""
    return {
        "a": np.array([[0, 0.3, 0], [0, 0, 0], [0, 0, 0]]),
        "b": np.array([[0, 0, 0.7], [0, 0, 0], [0, 0, 0]]),
        "f": np.diag([0, 0.45, 0.375]),
        "g": np.diag([0, 0.15, 0.125]),
        "u": np.diag([0, 0.3, 0]),
        "v": np.diag([0, 0, 0.1]),
        EOS: np.array([[0, 0, 0], [0.1, 0, 0], [0.4, 0, 0]]),
    }


def block_entropy(first_state, length):
    """Nats of a string of `length` words: every string is enumerated, every path summed."""
    total = 0.0
    for string in itertools.product(word_matrices().values(), repeat=length):
        state = np.array(first_state)
        for matrix in string:
            state = state @ matrix
        if (p := state.sum()) > 0:
            total -= p * math.log(p)
    return total


# A paragraph of topic 1 is 1 + 1/0.1 tokens long, of topic 2 it is 1 + 1/0.4.
STATIONARY = np.array([1, 0.3 / 0.1, 0.7 / 0.4]) / (1 + 0.3 / 0.1 + 0.7 / 0.4)


def test_stationary_distribution_is_the_share_of_tokens_emitted_from_each_state(tiny):
    assert list(tiny.stationary) == ["start", "one", "two"]
    np.testing.assert_allclose(list(tiny.stationary.values()), STATIONARY, atol=1e-12)


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4])
def test_forgetting_floor_equals_enumeration_of_all_strings(tiny, num_steps):
    entropies = [block_entropy(STATIONARY, length) for length in range(1, num_steps + 2)]
    assert tiny.perplexity_floor(num_steps) == pytest.approx(
        math.exp(np.mean(np.diff(entropies))), rel=1e-9
    )


@pytest.mark.parametrize("length", [1, 2, 3])
def test_full_memory_floor_equals_enumeration_from_known_states(tiny, length):
    next_word_nats = sum(
        share * (block_entropy(state, length + 1) - block_entropy(state, length))
        for share, state in zip(STATIONARY, np.eye(3), strict=True)
    )
    assert tiny.perplexity_floor() == pytest.approx(math.exp(next_word_nats), rel=1e-9)


def test_full_memory_floor_of_a_renewal_process_is_entropy_over_length_of_a_cycle():
    grammar = Grammar(
        {"A": {"x": (1.0, "B")}, "B": {"y": (0.5, "A"), "z": (0.5, "B")}},
        {"x": {"x": 1.0}, "y": {"y": 1.0}, "z": {"z": 1.0}},
        start="A",
    )
    # A cycle is one x and, on average, two fair choices.
    assert grammar.perplexity_floor() == pytest.approx(2 ** (2 / 3), rel=1e-12)


def test_forgetting_floor_falls_to_the_full_memory_floor_as_windows_grow(tiny, grammar):
    for source, longest in ((tiny, 1000), (grammar, 80)):
        full_memory = source.perplexity_floor()
        floors = [source.perplexity_floor(n) for n in (1, 2, 5, 10, 20, 40, longest)]
        assert floors == sorted(floors, reverse=True)
        assert floors[-1] > full_memory
        # What is forgotten at a window start costs a bounded number of nats a window.
        excess = [math.log(floor / full_memory) for floor in floors]
        assert excess[-1] * longest == pytest.approx(excess[-2] * 40, rel=0.1)


def test_memory_of_one_fixed_word_is_worth_nothing():
    grammar = Grammar({"s": {"w": (1.0, "s")}}, {"w": zipf(["a", "b", "c"], 1.0)}, start="s")
    entropy = -sum(p * math.log(p) for p in (6 / 11, 3 / 11, 2 / 11))
    assert grammar.perplexity_floor() == pytest.approx(math.exp(entropy), rel=1e-12)
    assert grammar.perplexity_floor(20) == pytest.approx(math.exp(entropy), rel=1e-12)


def test_score_sums_the_nats_of_all_tokens_but_the_first(tiny):
    nats, predicted = tiny.score(["a", "f", "u", EOS, "b"])
    assert predicted == 4
    assert nats == pytest.approx(-math.log(0.6 * 0.75) - math.log(0.3 * 0.1 * 0.7), rel=1e-12)
    assert tiny.score(["a"]) == tiny.score([]) == (0.0, 0)


@pytest.mark.parametrize("tokens", [["a", "v"], ["a", "unheard"]])
def test_score_refuses_a_token_that_cannot_come(tiny, tokens):
    with pytest.raises(ValueError, match=f"token 1, '{tokens[1]}'.*state 'one'"):
        tiny.score(tokens)


def test_default_floors_are_those_published(grammar):
    assert grammar.perplexity_floor() == pytest.approx(8.866494831711, rel=1e-9)
    assert grammar.perplexity_floor(20) == pytest.approx(10.169617985486, rel=1e-9)
    # Who always knows the last 20 words does better than who forgets every 20 words.
    assert grammar.perplexity_floor(20, sliding=True) == pytest.approx(8.95, abs=0.005)
    means = [grammar.perplexity_floor(n, sliding=True) for n in (1, 2, 3)]
    assert math.prod(means) ** (1 / 3) == pytest.approx(grammar.perplexity_floor(3), rel=1e-12)
    assert means[0] == grammar.perplexity_floor(1)


def test_vocabulary_has_317_words_and_train_has_them_all(grammar, corpus):
    assert len(grammar.word_class) == 317
    assert set(corpus["train"]) == set(grammar.word_class)
    assert set(corpus["valid"]) | set(corpus["test"]) <= set(corpus["train"])


def test_words_of_a_class_follow_zipf_in_order_and_frequency(grammar, corpus):
    assert list(zipf(["a", "b", "c"], 1.0).values()) == pytest.approx([6 / 11, 3 / 11, 2 / 11])
    counts = Counter(corpus["train"])
    for name, exponent in (("verb a", 1.4), ("aside", 1.2)):
        words = list(grammar.words[name])[:8]
        observed = [counts[word] for word in words]
        slope = np.polyfit(np.log(np.arange(1, 9)), np.log(observed), 1)[0]
        assert slope == pytest.approx(-exponent, abs=0.1)
        assert observed[:4] == sorted(observed[:4], reverse=True)


def test_every_split_is_of_its_size_and_ends_with_a_sentence(corpus):
    for split, size in SPLIT_TOKENS.items():
        assert size <= len(corpus[split]) < size + 500
        assert corpus[split][-1] == EOS


@pytest.mark.parametrize("kind", ["verb", "place", "time"])
def test_words_of_a_kind_agree_throughout_a_paragraph(grammar, corpus, kind):
    opening = {"verb": "noun", "place": "place", "time": "time"}[kind]
    vowel, met = None, Counter()
    for word in corpus["train"]:
        this_kind, _, this_vowel = grammar.word_class[word].partition(" ")
        if this_kind == opening and vowel is None:
            vowel = this_vowel
            met[vowel] += 1
        elif this_kind == kind:
            assert this_vowel == vowel, word
        elif this_kind == "closing":
            vowel = None
        assert set(word) & set(VOWELS) <= set(this_vowel) or not this_vowel
    # Each vowel opens about a quarter of the thousand paragraphs.
    assert set(met) == set(VOWELS) and min(met.values()) > 200


def verb_distance_probabilities(grammar, longest):
    """P(distance from a sentence's last verb to the next sentence's first), if there is a next."""
    verb = {"verb aaa": 1.0}
    hits = []
    for distance in range(1, longest + 1):
        following, hit = Counter(), 0.0
        for state, weight in verb.items():
            for name, (probability, next_state) in grammar.transitions[state].items():
                if name.startswith("verb"):
                    hit += weight * probability
                elif name != "closing":
                    following[next_state] += weight * probability
        hits.append(hit if distance > 1 else 0.0)
        verb = following
    return np.array(hits) / sum(hits)


def test_agreement_beyond_20_tokens_is_as_frequent_as_documented(grammar, corpus):
    exact = verb_distance_probabilities(grammar, longest=500)[20:].sum()
    assert exact == pytest.approx(0.0174, abs=5e-5)
    distances, last_verb = [], None
    for position, word in enumerate(corpus["train"]):
        name = grammar.word_class[word]
        if name == "closing":
            last_verb = None
        elif name.startswith("verb"):
            if last_verb is not None and position - last_verb > 1:
                distances.append(position - last_verb)
            last_verb = position
    assert len(distances) > 8000
    assert np.mean(np.array(distances) > 20) == pytest.approx(exact, abs=0.004)


def test_corpus_is_the_same_for_the_same_seed(corpus):
    text = "\n".join(" ".join(corpus[split]) for split in ("train", "valid", "test"))
    assert generate() == corpus
    assert generate(seed=1)["test"] != corpus["test"]
    digest = "0a1f6dfa0c5255a23b7ae517b7cae1312edaf8c01bceb7ba7a4a92678cd599d3"
    assert hashlib.sha256(text.encode()).hexdigest() == digest


@pytest.mark.parametrize("split", SPLIT_TOKENS)
def test_grammar_scores_each_split_within_half_a_percent_of_the_floor(grammar, corpus, split):
    nats, predicted = grammar.score(corpus[split])
    assert predicted == len(corpus[split]) - 1
    assert math.exp(nats / predicted) == pytest.approx(grammar.perplexity_floor(), rel=0.005)


def with_changes(transitions=None, words=None, start="start"):
    return Grammar(
        {**TINY_TRANSITIONS, **(transitions or {})}, {**TINY_WORDS, **(words or {})}, start
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words": {"filler": {"f": 0.5, "g": 0.25}}}, "word class 'filler'.*sum 0.75"),
        ({"words": {"filler": {"f": 1.5, "g": -0.5}}}, "word class 'filler'.*-0.5"),
        ({"words": {"filler": {}}}, "word class 'filler'.*sum 0"),
        ({"words": {"filler": {"f": 0.5, "u": 0.5}}}, "word 'u' is in two classes"),
        ({"words": {"spare": {"s": 1.0}}}, "no state emits: .*spare"),
        ({"transitions": {"one": {"end": (0.9, "start")}}}, "state 'one'.*sum 0.9"),
        ({"transitions": {"one": {"verb": (1.0, "start")}}}, "unknown word class 'verb'"),
        ({"transitions": {"one": {"end": (1.0, "three")}}}, "without transitions: .*three"),
        ({"transitions": {"alone": {"end": (1.0, "start")}}}, "cannot reach .*alone"),
        ({"transitions": {"one": {"filler": (1.0, "one")}}}, "cannot be reached from .*one"),
        ({"start": "zero"}, "without transitions: .*zero"),
    ],
)
def test_invalid_grammar_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        with_changes(**changes)


@pytest.mark.parametrize("number", [0, -3])
def test_sizes_that_are_not_positive_are_refused(tiny, number):
    with pytest.raises(ValueError, match=f"num_steps .*{number}"):
        tiny.perplexity_floor(number)
    with pytest.raises(ValueError, match=f"num_tokens .*{number}"):
        tiny.sample(number, np.random.default_rng(0))
