"""Looks inside a trained model while it reads a text: gates, state, surprisal, gradients.

    words        read from a state of zeros, as `ptb generate --score` reads them
    activations  of one layer: the gates that its cell names, and its state
    importance   the norm of the gradient of log p(next word) for the embedding of an earlier word

`models.inside` computes them. Axis letters: N = words of a text, H = units of a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from models import inside
from models.inside import NUM_UNITS
from ptb.data.documents import Borders
from ptb.data.grammar import AGREEMENTS, VOWELS, agreement, default_grammar

# Texts of the grammar on which units are chosen, and others on which they are checked.
AGREEMENT_ROWS, AGREEMENT_WORDS = 40, 300
CHOICE_SEED, CHECK_SEED = 1, 2


@dataclass(frozen=True)
class Inside:
    """A text as one layer of a model read it.

    Attributes:
      words: the N tokens.
      nats: float32 `[N]`, the surprisal of each; NaN for the first, which nothing predicts.
      layer: the number of the layer, from 0.
      activations: float32 `[N, H]` by name: the gates, then the parts of the state.
      importance: float32 `[N - 1, N]`. Row t belongs to the prediction of word t + 1, column s to
        word s that was read. Zero for s > t.
      num_steps: words of a window in training, beyond which no gradient flowed back.
    """

    words: list[str]
    nats: np.ndarray
    layer: int
    activations: dict[str, np.ndarray]
    importance: np.ndarray
    num_steps: int

    def beyond_window(self) -> np.ndarray:
        """The share of each row of `importance` that lies `num_steps` or more words back, `[N-1]`.

        0 in a row of zeros.
        """
        beyond = np.tril(self.importance, -self.num_steps).sum(1)
        total = self.importance.sum(1)
        return np.divide(beyond, total, out=np.zeros_like(beyond), where=total > 0)


@dataclass(frozen=True)
class Tracking:
    """The unit that follows one value of an agreement best, such as gender = "a".

    `part` is the part of the state, `chosen` the correlation on the text on which the unit was
    chosen among all, `held_out` that on another text.
    """

    agreement: str
    vowel: str
    unit: int
    part: str
    chosen: float
    held_out: float


def look_inside(
    model,
    words: Sequence[str],
    ids: np.ndarray,
    layer: int,
    num_steps: int,
    borders: Borders | None = None,
) -> Inside:
    """Reads a text of N >= 2 words with a `LanguageModel` of rnn_mode="static", and looks inside.

    `ids` int32 `[N]` are those of `words`. With `borders`, the state is zeroed at each.
    """
    resets = None if borders is None else tf.constant(borders.resets(ids))
    look = tf.function(lambda ids: inside.look_inside(model, ids, model.initial_state(1), resets))
    log_probs, layers, importance = look(tf.constant(ids))
    nats = -log_probs.numpy()
    nats[0] = np.nan
    values = {name: value.numpy() for name, value in layers[layer].items()}
    return Inside(list(words), nats, layer, values, importance[1:].numpy(), num_steps)


def units_that_vary_most(model, found: Inside, count: int = NUM_UNITS) -> list[int]:
    """The units of the layer whose output has the largest standard deviation over the text."""
    output = found.activations[model.recurrent[found.layer].cell.output_name]
    return inside.units_that_vary_most(output, count).numpy().tolist()


def agreement_units(model, vocabulary, layer: int) -> list[Tracking]:
    """For each value of each agreement of the built-in grammar, the unit that follows it best.

    Of the 12 pairs of an agreement and a vowel, the correlation is that of a part of a unit's state
    with whether the paragraph has that value. Words that show the agreement themselves do not
    count, so that a unit must remember what it follows.
    """
    samples = [
        _AgreementSample.of(model, vocabulary, layer, seed) for seed in (CHOICE_SEED, CHECK_SEED)
    ]
    found = []
    for place, name in enumerate(AGREEMENTS):
        for vowel in VOWELS:
            chosen, held_out = (each.correlations(place, vowel) for each in samples)
            part, unit = max(
                ((part, int(np.abs(r).argmax())) for part, r in chosen.items()),
                key=lambda pair: abs(chosen[pair[0]][pair[1]]),
            )
            figures = (float(each[part][unit]) for each in (chosen, held_out))
            found.append(Tracking(name, vowel, unit, part, *figures))
    return found


def best_of_each_agreement(trackings: Sequence[Tracking]) -> list[int]:
    """The units with the highest correlation for gender, place and time, each named once."""
    best = [
        max((each for each in trackings if each.agreement == name), key=lambda t: abs(t.chosen))
        for name in AGREEMENTS
    ]
    return list(dict.fromkeys(each.unit for each in best))


@dataclass(frozen=True)
class _AgreementSample:
    """Rows of the grammar's text: the class and agreement of each word, the state after it.

    `values` are `[words, H]` by part of the state.
    """

    kinds: np.ndarray
    vowels: np.ndarray
    values: dict[str, np.ndarray]

    @classmethod
    def of(cls, model, vocabulary, layer: int, seed: int) -> _AgreementSample:
        grammar, rng = default_grammar(), np.random.default_rng(seed)
        rows = [
            grammar.sample(AGREEMENT_WORDS, rng)[:AGREEMENT_WORDS] for _ in range(AGREEMENT_ROWS)
        ]
        ids = np.stack([vocabulary.encode(row) for row in rows])
        values = tf.function(lambda ids: inside.activations(model, ids)[layer])(ids)
        parts = model.recurrent[layer].cell.state_names
        kinds = [grammar.word_class[word].partition(" ")[0] for row in rows for word in row]
        vowels = [agreement(state) for row in rows for state in grammar.states(row)]
        known = np.array([len(each) == len(AGREEMENTS) for each in vowels])
        flat = {
            name: value.numpy().reshape(-1, value.shape[-1])[known]
            for name, value in values.items()
            if name in parts
        }
        return cls(np.array(kinds)[known], np.array(vowels)[known], flat)

    def correlations(self, place: int, vowel: str) -> dict[str, np.ndarray]:
        """Of each unit, `[H]` by part, with whether the agreement at `place` has that vowel."""
        shown_by = list(AGREEMENTS.values())[place]
        counts = ~np.isin(self.kinds, shown_by)
        wanted = np.array([each[place] == vowel for each in self.vowels])[counts].astype(float)
        return {name: correlation(value[counts], wanted) for name, value in self.values.items()}


def correlation(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Pearson's, of each column of `values` `[M, H]` with `wanted` `[M]`; 0 for a constant."""
    values = values - values.mean(0, dtype=float)
    wanted = wanted - wanted.mean()
    norms = np.sqrt((values**2).sum(0) * (wanted**2).sum())
    return np.divide(wanted @ values, norms, out=np.zeros_like(norms), where=norms > 0)
