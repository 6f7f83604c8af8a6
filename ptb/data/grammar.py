"""The built-in corpus: text from a small grammar whose best reachable perplexity is known exactly.

How good can a language model of a text become? For Penn Treebank nobody knows. For a text written
by a known random process it is the entropy rate of that process, so a training run can say how far
from perfect it came, and what it lost by forgetting.

The grammar is a hidden Markov process. In each hidden state it picks a word class, the class leads
to the next state, and the word is drawn from its class. No word has two classes, so whoever has
read a text from its start knows the state (Shannon 1948, section 7, calls such a source unifilar),
and every entropy is that of the classes plus that of the words within a class.

The text is in a made-up language with vowel harmony. A paragraph first picks its gender, place and
time, each one of four vowels; then every verb agrees with the gender, every place word with the
place, every time word with the time, until a closing word ends the paragraph::

    bolot lirim dirim birim bisin <eos> folot dolot birim bisin bu pul ku gu <eos> kolot ...

Agreeing words are mostly neighbours or a sentence apart, but asides of neutral words come between:
once in 58 times (1.74%) a sentence's last verb and the next sentence's first are more than 20
tokens apart, though they agree.
"""

import bisect
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ptb.data.vocabulary import EOS

VOWELS = "aeio"
# What a paragraph of `default_grammar` agrees in, and the word classes that show it.
AGREEMENTS = {"gender": ("noun", "verb"), "place": ("place",), "time": ("time",)}
# A seed whose splits are typical: the grammar itself scores them within 0.5% of the floor.
SEED = 91
SPLIT_TOKENS = {"train": 90_000, "valid": 10_000, "test": 30_000}


class Grammar:
    """A hidden Markov source of words whose reader always knows the hidden state.

    Args:
      transitions: `{state: {word class: (probability, next state)}}`.
      words: `{word class: {word: probability}}`.
      start: the state before the first word of a text; texts end where it is reached again.

    Raises:
      ValueError: probabilities that are not positive or do not sum to one, a word in two classes,
        a class without words, a state that is missing, unreachable, or has no way back to `start`.
    """

    def __init__(
        self,
        transitions: Mapping[str, Mapping[str, tuple[float, str]]],
        words: Mapping[str, Mapping[str, float]],
        start: str,
    ):
        self.transitions, self.words, self.start = transitions, words, start
        self.word_class = self._index_words()
        self._check_transitions()
        self.stationary = self._stationary_distribution()

    def sample(self, num_tokens: int, rng: np.random.Generator) -> list[str]:
        """A text from start state to start state, the shortest of at least `num_tokens` tokens."""
        if num_tokens < 1:
            raise ValueError(f"num_tokens must be at least 1, got {num_tokens}")
        arcs = {
            state: (_cumulative(p for p, _ in by_class.values()), list(by_class.items()))
            for state, by_class in self.transitions.items()
        }
        groups = {name: (_cumulative(ps.values()), list(ps)) for name, ps in self.words.items()}
        tokens, state = [], self.start
        while len(tokens) < num_tokens or state != self.start:
            class_draw, word_draw = rng.random(2).tolist()
            cumulative, choices = arcs[state]
            name, (_, state) = choices[bisect.bisect(cumulative, class_draw)]
            cumulative, group = groups[name]
            tokens.append(group[bisect.bisect(cumulative, word_draw)])
        return tokens

    def score(self, tokens: Sequence[str]) -> tuple[float, int]:
        """The cross-entropy of a text from the start state, for a reader who forgets nothing.

        Returns:
          Total nats of all tokens but the first, and their number: the N - 1 predictions that a
          language model makes on the same N tokens.

        Raises:
          ValueError: a token that the grammar cannot produce where it stands.
        """
        nats = [-math.log(probability) for probability, _ in self._walk(tokens)]
        return math.fsum(nats[1:]), len(nats[1:])

    def states(self, tokens: Sequence[str]) -> list[str]:
        """The hidden state after each token of a text that begins at the start state.

        Raises ValueError as `score` does.
        """
        return [state for _, state in self._walk(tokens)]

    def _walk(self, tokens: Sequence[str]) -> Iterator[tuple[float, str]]:
        """The probability of each token, and the state after it."""
        state = self.start
        for position, word in enumerate(tokens):
            name = self.word_class.get(word)
            if name is None or name not in self.transitions[state]:
                raise ValueError(
                    f"token {position}, {word!r}, cannot come here: the grammar is in state "
                    f"{state!r}, which allows the word classes {sorted(self.transitions[state])}"
                )
            probability, state = self.transitions[state][name]
            yield probability * self.words[name][word], state

    def perplexity_floor(self, num_steps: int | None = None, sliding: bool = False) -> float:
        """The lowest perplexity that a model of this text can reach in the long run.

        Args:
          num_steps: None for a model that remembers the whole past. Otherwise the model forgets
            everything at each window start: it predicts x[j+1] from x[0..j], the tokens of its
            window up to position j < `num_steps`. Windows start anywhere in the text.
          sliding: the model forgets nothing at window starts, but knows only the last `num_steps`
            tokens.

        Returns:
          exp(nats per token), of the entropy rate, or of the mean over j of H(x[j+1] | x[0..j]), or
          of that of the last j.

        Raises:
          ValueError: `num_steps` is not positive.
        """
        if num_steps is not None and num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, or None, got {num_steps}")
        if num_steps is None:
            class_nats = sum(
                share * _entropy(p for p, _ in self.transitions[state].values())
                for state, share in self.stationary.items()
            )
        else:
            entropies = self._window_class_entropies(num_steps)
            class_nats = entropies[-1] if sliding else float(np.mean(entropies))
        word_nats = sum(
            share * probability * _entropy(self.words[name].values())
            for state, share in self.stationary.items()
            for name, (probability, _) in self.transitions[state].items()
        )
        return math.exp(class_nats + word_nats)

    def _window_class_entropies(self, num_steps: int) -> list[float]:
        """Nats of the next word class after 1, 2, ..., `num_steps` tokens of a window.

        What a forgetful reader knows is a belief, a distribution over the hidden states. Different
        windows lead to the same belief, so few are met, and each is followed once with its weight.
        """
        weights = {tuple(sorted(self.stationary.items())): 1.0}
        entropies = []
        for _ in range(num_steps + 1):
            entropy, next_weights = 0.0, defaultdict(float)
            for belief, weight in weights.items():
                outcomes = defaultdict(lambda: defaultdict(float))
                for state, share in belief:
                    for name, (probability, next_state) in self.transitions[state].items():
                        outcomes[name][next_state] += share * probability
                totals = {name: sum(joint.values()) for name, joint in outcomes.items()}
                entropy += weight * _entropy(totals.values())
                for name, joint in outcomes.items():
                    next_weights[_belief(joint, totals[name])] += weight * totals[name]
            entropies.append(entropy)
            weights = next_weights
        # The first is the entropy before any token, which no model is ever asked for.
        return entropies[1:]

    def _index_words(self) -> dict[str, str]:
        word_class = {}
        for name, group in self.words.items():
            _check_distribution(f"word class {name!r}", group.values())
            for word in group:
                if word in word_class:
                    raise ValueError(
                        f"word {word!r} is in two classes, {word_class[word]!r} and {name!r}"
                    )
                word_class[word] = name
        return word_class

    def _check_transitions(self) -> None:
        previous_states = defaultdict(set)
        for state, by_class in self.transitions.items():
            _check_distribution(f"state {state!r}", [p for p, _ in by_class.values()])
            for name, (_, next_state) in by_class.items():
                if name not in self.words:
                    raise ValueError(f"state {state!r} emits the unknown word class {name!r}")
                previous_states[next_state].add(state)
        next_states = {s: {to for _, to in arcs.values()} for s, arcs in self.transitions.items()}
        if unknown := ({self.start} | previous_states.keys()) - next_states.keys():
            raise ValueError(f"states without transitions: {sorted(unknown)}")
        if lost := next_states.keys() - _reachable(self.start, next_states):
            raise ValueError(f"start {self.start!r} cannot reach the states {sorted(lost)}")
        if trapped := next_states.keys() - _reachable(self.start, previous_states):
            raise ValueError(f"start {self.start!r} cannot be reached from {sorted(trapped)}")
        if unused := self.words.keys() - {c for arcs in self.transitions.values() for c in arcs}:
            raise ValueError(f"word classes that no state emits: {sorted(unused)}")

    def _stationary_distribution(self) -> dict[str, float]:
        """The share of tokens that are emitted from each state, in a long text."""
        index = {state: i for i, state in enumerate(self.transitions)}
        flow = -np.eye(len(index))
        for state, by_class in self.transitions.items():
            for probability, next_state in by_class.values():
                flow[index[next_state], index[state]] += probability
        # One balance equation follows from the others; that the shares sum to one replaces it.
        flow[-1] = 1.0
        shares = np.linalg.solve(flow, np.eye(len(index))[-1])
        return dict(zip(index, shares.tolist(), strict=True))


def zipf(words: Sequence[str], exponent: float) -> dict[str, float]:
    """Probabilities proportional to rank ** -exponent, in the order of `words`."""
    weights = np.arange(1, len(words) + 1) ** -float(exponent)
    return dict(zip(words, (weights / weights.sum()).tolist(), strict=True))


def default_grammar() -> Grammar:
    """The language of the built-in corpus, as the head of this file describes it."""
    # A phrase goes on with more words of its kind: an agreement that is first met between
    # neighbours is learned in a few hundred updates, and only then kept over longer distances.
    again, aside, aside_again, closing = 0.4, 0.03, 0.93, 0.1
    transitions = {
        "paragraph": {f"noun {g}": (1 / len(VOWELS), f"paragraph {g}") for g in VOWELS},
        "closed": {"eos": (1.0, "paragraph")},
    }
    for g in VOWELS:
        transitions[f"paragraph {g}"] = {
            f"place {p}": (1 / len(VOWELS), f"paragraph {g}{p}") for p in VOWELS
        }
    for g, p in itertools.product(VOWELS, repeat=2):
        transitions[f"paragraph {g}{p}"] = {
            f"time {t}": (1 / len(VOWELS), f"time {g}{p}{t}") for t in VOWELS
        }
    for g, p, t in itertools.product(VOWELS, repeat=3):
        sentence, verb, place, time, digression = (
            f"{state} {g}{p}{t}" for state in ("sentence", "verb", "place", "time", "aside")
        )
        transitions[sentence] = {f"verb {g}": (1.0, verb)}
        transitions[verb] = {f"verb {g}": (again, verb), f"place {p}": (1 - again, place)}
        transitions[place] = {f"place {p}": (again, place), f"time {t}": (1 - again, time)}
        for state, goes_on in (
            (time, {f"time {t}": (again, time), "aside": (aside, digression)}),
            (digression, {"aside": (aside_again, digression)}),
        ):
            ends = 1 - sum(probability for probability, _ in goes_on.values())
            transitions[state] = {
                **goes_on,
                "eos": (ends * (1 - closing), sentence),
                "closing": (ends * closing, "closed"),
            }
    return Grammar(transitions, _default_words(), start="paragraph")


def agreement(state: str) -> str:
    """The vowels of gender, place and time, such as "aei", that a state of `default_grammar` holds.

    There are fewer until the first words of a paragraph have named all three.
    """
    return state.partition(" ")[2]


def _default_words() -> dict[str, dict[str, float]]:
    endings = {"noun": "-n-k", "verb": "-l-t", "place": "-r-m", "time": "-s-n"}
    words = {
        f"{kind} {vowel}": zipf([onset + ending.replace("-", vowel) for onset in "bdfgklmp"], 1.4)
        for kind, ending in endings.items()
        for vowel in VOWELS
    }
    # Neutral words are most of the vocabulary, but little of the text: no agreement rests on them.
    codas = ["", *"dfglmnprstx"]
    words["aside"] = zipf([f"{onset}u{c}" for c in codas for onset in "bcdfghjklmnprst"], 1.2)
    words["closing"] = zipf(["nay", "yea", "lo", "oh", "so", "ah", "ho", "hey"], 1.4)
    words["eos"] = {EOS: 1.0}
    return words


def generate(seed: int = SEED) -> dict[str, list[str]]:
    """The built-in corpus: `{"train", "valid", "test"}`, each a whole number of paragraphs."""
    grammar, rng = default_grammar(), np.random.default_rng(seed)
    return {split: grammar.sample(size, rng) for split, size in SPLIT_TOKENS.items()}


def _entropy(probabilities: Iterable[float]) -> float:
    """In nats."""
    return -sum(p * math.log(p) for p in probabilities)


def _cumulative(probabilities: Iterable[float]) -> list[float]:
    """Running sums but the last, so that rounding can leave no draw below 1.0 without a place."""
    return list(itertools.accumulate(probabilities))[:-1]


def _belief(joint: Mapping[str, float], total: float) -> tuple[tuple[str, float], ...]:
    """A normalised belief as a key; rounded, so that it is the same whatever order summed it."""
    return tuple(sorted((state, round(p / total, 12)) for state, p in joint.items()))


def _reachable(start: str, neighbours: Mapping[str, Iterable[str]]) -> set[str]:
    found, frontier = {start}, [start]
    while frontier:
        for state in neighbours[frontier.pop()]:
            if state not in found:
                found.add(state)
                frontier.append(state)
    return found


def _check_distribution(owner: str, probabilities: Iterable[float]) -> None:
    probabilities = list(probabilities)
    total = math.fsum(probabilities)
    if not all(p > 0 for p in probabilities) or abs(total - 1) > 1e-9:
        raise ValueError(
            f"{owner}: probabilities must be positive and sum to one, got {probabilities}, "
            f"sum {total}"
        )
