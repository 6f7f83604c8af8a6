"""The signatures that clients call: plain text in, scores and text out, state in and out.

Axis letters: B = rows, N = tokens of the longest row, V = vocabulary size, K = TOP_WORDS.

Nothing is kept between calls, so clients never share a context. Every row is read as
`ptb.training.perplexity` reads a split: from a state of zeros, and its first token is predicted by
nothing; where documents are told apart (`reset_at`), by `<eos>`, and no state crosses into the next
one. An empty prefix is read as `<eos>`, the start of a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from models.dynamic_rnn import stack
from ptb.data.vocabulary import EOS
from ptb.serving.inference import Inference
from ptb.serving.limits import (
    MAX_PART_TOKENS,
    MAX_TEXT_BYTES,
    MAX_TOKENS,
    MAX_UNITS,
    MAX_WORDS,
    TOP_WORDS,
    max_rows,
)
from ptb.serving.sampling import Sampling, row_seed, row_seeds, sample
from ptb.serving.surprisal import Word, words_of
from ptb.serving.tokenizer import Tokenizer


class ServedModel(tf.Module):
    """A model and its tokenizer behind the functions that `signatures` names."""

    def __init__(self, inference: Inference, tokenizer: Tokenizer):
        super().__init__()
        self._inference = inference
        self._tokenizer = tokenizer
        self._weights = inference.variables  # a SavedModel carries what the module holds
        self._first_state = inference.initial_state(1)
        self._state_names = inference.state_names

    def signatures(self) -> dict:
        """The concrete functions of a SavedModel, by name."""
        next_word = self._with_state(self._next_word, words=_strings(None, None))
        scalars = {name: tf.TensorSpec([], tf.int32) for name in ("num_words", "top_k", "seed")}
        return {
            "serving_default": next_word,
            "next_word": next_word,
            "next_id": self._with_state(self._next_id, ids=tf.TensorSpec([None, None], tf.int32)),
            "initial_state": _concrete(
                self._initial_state, batch_size=tf.TensorSpec([], tf.int32, "batch_size")
            ),
            "score": _concrete(self.score, text=_strings(None)),
            "generate": _concrete(
                self._generate,
                prefix=_strings(None),
                temperature=tf.TensorSpec([], tf.float32),
                **scalars,
            ),
            "inside": _concrete(
                self._inside,
                text=_strings(1),
                num_tokens=tf.TensorSpec([], tf.int32),
                layer=tf.TensorSpec([], tf.int32),
                units=tf.TensorSpec([None], tf.int32),
            ),
        }

    @tf.function
    def score(self, text) -> dict:
        """Scores `text`, string `[B]`, as `evaluate.py` scores a split.

        Per row `[B]`: log_prob float32 in nats, num_tokens int32 (those that are predicted: all but
        the first, or all with `reset_at`), perplexity float32 (1 where nothing is predicted),
        num_unknown int32. Per token `[B, N]`: tokens string, "" after the end of a row;
        token_log_probs float32, 0 there and for a token that nothing predicts; token_is_unknown
        bool.
        """
        tokens, ids, unknown = self._tokens_of(self._of_allowed_text(text))
        nats = self._inference.nats(ids)
        total = tf.reduce_sum(tf.cast(nats, tf.float64), axis=1)
        num_tokens = _count(tokens != "")
        if self._inference.borders is None:
            num_tokens = tf.maximum(num_tokens - 1, 0)
        return {
            "log_prob": tf.cast(0.0 - total, tf.float32),
            "num_tokens": num_tokens,
            "perplexity": tf.cast(
                tf.exp(tf.math.divide_no_nan(total, tf.cast(num_tokens, tf.float64))), tf.float32
            ),
            "num_unknown": _count(unknown),
            "tokens": tokens,
            "token_log_probs": 0.0 - nats,
            "token_is_unknown": unknown,
        }

    def stream(
        self,
        prefix: Sequence[str],
        num_words: int,
        sampling: Sampling,
        seed: int,
        row: int = 0,
        never: int | None = None,
        stop_at_line: bool = False,
    ) -> Iterator[str]:
        """Yields the words that the signature `generate` gives row `row`, one by one.

        The tokens of the prefix and the text may be any number. The id `never` is not drawn: the
        others share its probability. With `stop_at_line`, the text ends before the first `<eos>`.
        """
        never = None if never is None else tf.constant(never, tf.int32)
        state = self._state_after(prefix)
        seeds = row_seed(seed, row)[None]
        values = [tf.constant(sampling.temperature, tf.float32), tf.constant(sampling.top_k)]
        values.append(tf.constant(sampling.top_p, tf.float32))
        for step in range(num_words):
            ids, state = self._draw(state, *values, seeds, tf.constant(step), never)
            word = self._tokenizer.decode(ids).numpy()[0].decode()
            if stop_at_line and word == EOS:
                return
            yield word

    def _state_after(self, prefix: Sequence[str]):
        """The state after tokens, in parts of MAX_PART_TOKENS. No tokens are read as `<eos>`."""
        ids, _ = self._tokenizer.encode(tf.constant([prefix or [EOS]]))
        state = self._first_state
        for start in range(0, ids.shape[1], MAX_PART_TOKENS):
            state = self._read(ids[:, start : start + MAX_PART_TOKENS], state)
        return state

    def words(self, text: bytes) -> list[Word]:
        """The tokens of a text and what each cost."""
        return words_of(self.score(tf.constant([text])), self._tokenizer.kind)

    def _initial_state(self, batch_size):
        size = _checked(batch_size, batch_size >= 0, "batch_size={} is below 0", batch_size)
        return self._named(self._inference.initial_state(self._of_allowed_rows(size)))

    def _next_id(self, ids, **state):
        """No operation on strings, so that clients without them can be made of it, as TFLite is."""
        before, size = self._state_of(ids, "ids", state), self._inference.vocab_size
        ids = _of_allowed_size(ids)
        is_id = tf.reduce_all((ids >= -1) & (ids < size))
        template = f"an id is out of bounds: give 0 to {size - 1:,}, or -1 for padding"
        after = self._inference.after(_checked(ids, is_id, template), before)
        return {"logits": self._inference.logits(after), **self._named(after)}

    def _next_word(self, words, **state):
        tokens = _of_allowed_size(self._tokenizer.normalize(words))
        before = self._state_of(tokens, "words", state)
        ids, unknown = self._tokenizer.encode(tokens)
        after = self._inference.after(ids, before)
        log_probs = tf.nn.log_softmax(self._inference.logits(after))
        top = tf.math.top_k(log_probs, min(TOP_WORDS, self._inference.vocab_size))
        return {
            "log_probs": log_probs,
            "top_words": self._tokenizer.decode(top.indices),
            "top_log_probs": top.values,
            "num_unknown": _count(unknown),
            **self._named(after),
        }

    def _state_of(self, rows, named: str, state: dict) -> tuple:
        """The state from its tensors by name, for `rows` `[B, N]`, called `named` in a refusal."""
        num_rows = self._of_allowed_rows(tf.shape(rows)[0])
        for name in self._state_names:
            has_rows = tf.shape(state[name])[0]
            template = f"{name} has {{}} rows and {named} has {{}}: give a state for each row"
            state[name] = _checked(state[name], has_rows == num_rows, template, has_rows, num_rows)
        flat = [state[name] for name in self._state_names]
        return tf.nest.pack_sequence_as(self._first_state, flat)

    def _generate(self, prefix, num_words, temperature, top_k, seed):
        num_words = _checked(
            num_words,
            (num_words >= 0) & (num_words <= MAX_WORDS),
            f"num_words={{}} is out of bounds: give a number from 0 to {MAX_WORDS:,}",
            num_words,
        )
        prefix = self._of_allowed_text(prefix)
        num_rows = tf.shape(prefix)[0]
        total = tf.cast(num_words, tf.int64) * tf.cast(num_rows, tf.int64)
        num_words = _checked(
            num_words,
            total <= MAX_TOKENS,
            f"num_words={{}} for {{}} rows is more than the {MAX_TOKENS:,} words that one call "
            "writes: give fewer",
            num_words,
            num_rows,
        )
        temperature = _checked(
            temperature,
            (temperature >= 0) & tf.math.is_finite(temperature),
            "temperature={} is out of bounds: give a number of at least 0",
            temperature,
        )
        top_k = _checked(
            top_k, top_k >= 0, "top_k={} is out of bounds: give at least 0, which keeps all", top_k
        )
        tokens, num_unknown, state = self._read_prefix(prefix)
        seeds = tf.ensure_shape(row_seeds(seed, num_rows), [None, 2])
        words = tf.TensorArray(tf.int32, num_words, element_shape=[None])
        for step in tf.range(num_words):
            ids, state = self._draw(state, temperature, top_k, 1.0, seeds, step)
            words = words.write(step, ids)
        new_tokens = self._tokenizer.decode(stack(words, [num_rows]))
        return {"text": self._tokenizer.join(tokens, new_tokens), "num_unknown": num_unknown}

    def _inside(self, text, num_tokens, layer, units):
        """What happens in a layer while it reads the last tokens of a text, as many as allowed.

        W = tokens that are shown, P = gates and parts of the state, U = units: those that vary most
        if none are named.
        """
        num_tokens = _checked(num_tokens, num_tokens >= 0, "num_tokens={} is below 0", num_tokens)
        layer = _below(layer, self._inference.num_layers, "layer")
        units = _below(units, self._inference.num_units, "units")
        template = f"{{}} units are more than the {MAX_UNITS} of one call: give fewer"
        units = _checked(units, tf.size(units) <= MAX_UNITS, template, tf.size(units))
        tokens, ids, unknown = self._tokens_of(self._of_allowed_text(text))
        num_tokens = tf.minimum(num_tokens, self._inference.max_inside_tokens)
        start = tf.maximum(tf.shape(ids)[1] - num_tokens, 0)
        # Of as many rows as the ids, of which no shape says that it is one.
        state = self._inference.initial_state(tf.shape(ids)[0])
        state = self._inference.after(ids[:, :start], state)
        log_probs, names, layers, importance = self._inference.look_inside(ids[0, start:], state)
        if tf.size(units) == 0:
            units = self._inference.units_that_vary_most(layers[layer], names)
        # With borders, the `<eos>` before a document predicts its first token.
        is_predicted = tf.range(tf.size(log_probs)) + start >= (0 if self._inference.borders else 1)
        return {
            "start": start,
            "tokens": tokens[:, start:],
            "token_log_probs": tf.where(is_predicted, log_probs, 0.0)[None],
            "token_is_unknown": unknown[:, start:],
            "num_tokens": _count(is_predicted[None]),
            "names": names,
            "units": units,
            "activations": tf.gather(layers[layer], units, axis=2),
            "importance": importance,
        }

    @tf.function(reduce_retracing=True)
    def _read(self, ids, state):
        return self._inference.after(ids, state)

    @tf.function
    def _read_prefix(self, prefix):
        """The tokens of `prefix` string `[B]`, how many are `<unk>` `[B]`, and the state after."""
        tokens, ids, unknown = self._tokens_of(self._tokenizer.without_last_space(prefix))
        eos, _ = self._tokenizer.encode(tf.constant([EOS]))
        first = tf.where(_count(tokens != "") == 0, eos, -1)
        ids = tf.concat([first[:, None], ids], axis=1)
        state = self._inference.after(ids, self._inference.initial_state(tf.shape(ids)[0]))
        return tokens, _count(unknown), state

    @tf.function
    def _draw(self, state, temperature, top_k, top_p, seeds, step, never=None):
        """The next word of each row, int32 `[B]`, but not `never`; the state after it was read."""
        sampling = Sampling(temperature, top_k, top_p)
        logits = self._inference.logits(state)
        if never is not None:
            logits = tf.where(tf.range(self._inference.vocab_size) == never, -np.inf, logits)
        ids = sample(logits, sampling, seeds, step)
        return ids, self._inference.after(ids[:, None], state)

    def _of_allowed_rows(self, num_rows):
        """The number of rows that one call asks for; each costs a score for every word."""
        state_size = sum(tensor.shape[1] for tensor in tf.nest.flatten(self._first_state))
        most = max_rows(self._inference.vocab_size, state_size)
        template = f"{{}} rows are more than the {most:,} of one call: give fewer"
        return _checked(num_rows, num_rows <= most, template, num_rows)

    def _of_allowed_text(self, text):
        """Texts string `[B]` that one call may read, before anything is done with them."""
        num_bytes = tf.reduce_sum(tf.cast(tf.strings.length(text), tf.int64))
        template = f"the text has {{}} bytes, and one call reads at most {MAX_TEXT_BYTES:,}: cut it"
        with tf.control_dependencies([self._of_allowed_rows(tf.shape(text)[0])]):
            return _checked(text, num_bytes <= MAX_TEXT_BYTES, template, num_bytes)

    def _tokens_of(self, text):
        """The tokens of `text` string `[B]`, their ids, and which are `<unk>`, each `[B, N]`."""
        tokens = _of_allowed_size(self._tokenizer.split(text))
        return tokens, *self._tokenizer.encode(tokens)

    def _named(self, state) -> dict:
        return dict(zip(self._state_names, tf.nest.flatten(state), strict=True))

    def _with_state(self, function, **inputs):
        flat = tf.nest.flatten(self._first_state)
        specs = [tf.TensorSpec([None, tensor.shape[1]], tf.float32) for tensor in flat]
        return _concrete(function, **inputs, **dict(zip(self._state_names, specs, strict=True)))


def _concrete(function, **specs):
    return tf.function(function).get_concrete_function(
        **{name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    )


def _strings(*shape):
    return tf.TensorSpec(shape, tf.string)


def _count(flags):
    """How many of a row are True, int32 `[B]`."""
    return tf.reduce_sum(tf.cast(flags, tf.int32), axis=1)


def _of_allowed_size(tokens):
    # A row without a token has a state too.
    rows, length = tf.unstack(tf.shape(tokens, tf.int64))
    size = rows * tf.maximum(length, 1)
    template = (
        f"the text has {{}} tokens, padding included, and one call reads at most {MAX_TOKENS:,}: "
        "cut it"
    )
    return _checked(tokens, size <= MAX_TOKENS, template, size)


def _below(numbers, size: int, name: str):
    """Numbers int32 that are from 0 to size - 1; the call is refused if not."""
    template = f"{name}={{}}: give a number from 0 to {size - 1}"
    return _checked(numbers, tf.reduce_all((numbers >= 0) & (numbers < size)), template, numbers)


def _checked(tensor, condition, template: str, *values):
    """The tensor; the call is refused with the template, whose {} are the values, if not."""
    refusal = tf.strings.format(template, values)
    with tf.control_dependencies([tf.debugging.Assert(condition, [refusal])]):
        return tf.identity(tensor)
