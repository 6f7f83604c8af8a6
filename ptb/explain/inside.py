"""What happens inside a trained model while it reads a text: gates, state, surprisal, gradients.

    words        read from a state of zeros, as `ptb generate --score` reads them
    activations  of one layer: the gates that its cell names, and its state
    importance   the norm of the gradient of log p(next word) for the embedding of an earlier word

Axis letters: B = rows, N = words of a row, H = units of a layer, V = vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ptb.data.documents import Borders
from ptb.data.grammar import AGREEMENTS, VOWELS, agreement, default_grammar

NUM_UNITS = 3  # that are shown if none are named
# Predictions whose gradients are computed at once. Each needs a row of activations for all words
# before it, 2 MB a word with `--model=large` and 16 rows.
BLOCK = 16
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
    """What a `LanguageModel` with rnn_mode="static" does with the N >= 2 words of a text.

    `ids` int32 `[N]` are those of `words`. With `borders`, the state is zeroed at each.
    """
    resets = None if borders is None else borders.resets(ids)
    values, outputs = activations(model, ids[np.newaxis], layer, resets)
    log_probs = tf.nn.log_softmax(model.logits_after(outputs[0, :-1]))
    nats = -tf.gather(log_probs, ids[1:], batch_dims=1).numpy()
    return Inside(
        list(words),
        np.concatenate([[np.nan], nats]).astype(np.float32),
        layer,
        {name: value[0] for name, value in values.items()},
        importance(model, ids, resets),
        num_steps,
    )


def activations(
    model, ids: np.ndarray, layer: int, resets: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], tf.Tensor]:
    """The gates and the state of a layer, `[B, N, H]` by name, after each of `ids` int32 `[B, N]`.

    Parts of the state of another size than H are left out. Also the outputs of the top layer,
    `[B, N, H]`. `resets` bool `[N]` says before which words the state is zeroed.
    """
    cell = model.recurrent[layer].cell
    collected: list[dict] = []
    steps = _embedded(model, ids)
    for each in model.recurrent:
        state, outputs = each.cell.initial_state(len(ids)), []
        for t, inputs in enumerate(steps):
            before = state
            if resets is not None and resets[t]:
                before = each.cell.initial_state(len(ids))
            output, state = each.cell(inputs, before)
            outputs.append(output)
            if each.cell is cell:
                parts = dict(zip(cell.state_names, state, strict=True))
                collected.append(cell.gates(inputs, before) | parts)
        steps = outputs
    values = {name: np.stack([step[name] for step in collected], 1) for name in collected[0]}
    values = {name: value for name, value in values.items() if value.shape[-1] == cell.num_units}
    return values, tf.stack(steps, axis=1)


def importance(model, ids: np.ndarray, resets: np.ndarray | None = None) -> np.ndarray:
    """`Inside.importance` of `ids` int32 `[N]`, with the state zeroed at `resets` bool `[N]`."""
    num_predictions = len(ids) - 1
    found = np.zeros([num_predictions, len(ids)], np.float32)
    for first in range(0, num_predictions, BLOCK):
        end = min(first + BLOCK, num_predictions)
        found[first:end, :end] = _importance_of(model, ids, np.arange(first, end), resets)
    return found


def _importance_of(model, ids: np.ndarray, times: np.ndarray, resets) -> np.ndarray:
    """The rows `times` of `importance`, up to the last of them.

    The text is read in equal rows, each for one prediction, so that a single gradient gives them
    all.
    """
    steps = _embedded(model, np.tile(ids[: times[-1] + 1], [len(times), 1]))
    if resets is not None:
        resets = [tf.fill([len(times)], reset) for reset in resets[: len(steps)]]
    with tf.GradientTape() as tape:
        tape.watch(steps)
        outputs = steps
        for layer in model.recurrent:
            outputs, _ = layer(outputs, layer.initial_state(len(times)), resets=resets)
        own = tf.stack([outputs[t][row] for row, t in enumerate(times)])
        log_probs = tf.nn.log_softmax(model.logits_after(own))
        total = tf.reduce_sum(tf.gather(log_probs, ids[times + 1], batch_dims=1))
    gradients = tape.gradient(total, steps)
    return tf.stack([tf.norm(each, axis=-1) for each in gradients], axis=1).numpy()


def units_that_vary_most(model, inside: Inside, count: int = NUM_UNITS) -> list[int]:
    """The units of the layer whose output has the largest standard deviation over the text."""
    output = inside.activations[model.recurrent[inside.layer].cell.output_name]
    return [int(unit) for unit in np.argsort(-output.std(0), kind="stable")[:count]]


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
        values, _ = activations(model, ids, layer)
        parts = model.recurrent[layer].cell.state_names
        kinds = [grammar.word_class[word].partition(" ")[0] for row in rows for word in row]
        vowels = [agreement(state) for row in rows for state in grammar.states(row)]
        known = np.array([len(each) == len(AGREEMENTS) for each in vowels])
        flat = {
            name: value.reshape(-1, value.shape[-1])[known]
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


def _embedded(model, ids: np.ndarray) -> list:
    """N tensors `[B, H]` of `ids` int32 `[B, N]`."""
    return tf.unstack(tf.gather(model.embedding.value, ids), axis=1)
