"""Token ids to `[batch_size, num_steps]` windows.

Axis letters: N = tokens in the stream, B = batch_size (parallel rows), T = num_steps (tokens
of a row in one window), K = windows.

Sequential sampling cuts the stream into B rows and walks all of them from left to right:

    stream   a b c d e f g h i j k l m          N = 13, B = 2, T = 3

    row 0    a b c | d e f        targets   b c d | e f g
    row 1    g h i | j k l                  h i j | k l m
             k = 0   k = 1                  k = 0   k = 1

Row b of window k+1 continues row b of window k, so the network's state may be carried from one
window to the next. Random sampling shuffles the windows, so its state starts at zero each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Windows:
    """Where each window of a split lies. The text itself is held once, however many windows.

    `stream`   int32 `[N]`: the ids, padded so that every window lies inside.
    `starts`   int32 `[K, B]`: row b of window k reads `stream[starts[k, b]:][:T]`.
    `lengths`  int32 `[K, B]`: how many of those T targets are real; the rest is padding.
    `carries_state`  whether row b of window k+1 continues row b of window k.
    """

    stream: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    num_steps: int
    carries_state: bool

    @property
    def batch_size(self) -> int:
        return self.starts.shape[1]

    @property
    def num_tokens(self) -> int:
        """How many tokens one pass over the windows predicts."""
        return int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of window k, int32 `[B, T]` each."""
        tokens = self.stream[self.starts[k][:, None] + np.arange(self.num_steps + 1)]
        return tokens[:, :-1], tokens[:, 1:]

    def take(self, count: int) -> Windows:
        """The first `count` windows."""
        return replace(self, starts=self.starts[:count], lengths=self.lengths[:count])

    def dataset(self):
        """The windows in order, as a finite `tf.data.Dataset` of (inputs, targets, mask).

        Each is `[B, T]`; inputs and targets are int32, the mask is float32: 1 for a real target,
        0 for padding. Keras takes the mask as sample weights, for the
        loss and `weighted_metrics`.
        """
        import tensorflow as tf  # noqa: PLC0415  (only this view of the windows needs it)

        stream = tf.constant(self.stream)

        def window(starts, lengths):
            tokens = window_tokens(stream, starts, self.num_steps)
            mask = tf.sequence_mask(lengths, self.num_steps, tf.float32)
            return tokens[:, :-1], tokens[:, 1:], mask

        slices = tf.data.Dataset.from_tensor_slices((self.starts, self.lengths))
        return slices.map(window, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def window_tokens(stream, starts, num_steps: int):
    """The T + 1 tokens of each row of a window, as tensors: all but the last are inputs, all but
    the first are targets.

    `stream` int32 `[N]`; `starts` int32 `[..., B]`, where each row starts; int32 `[..., B, T + 1]`.
    """
    import tensorflow as tf  # noqa: PLC0415

    with tf.device("CPU:0"):  # so that a GPU gets this window, and not the whole stream
        return tf.gather(stream, starts[..., None] + tf.range(num_steps + 1))


def sequential(ids: np.ndarray, batch_size: int, num_steps: int) -> Windows:
    """The tutorial's windows: B rows of N // B tokens, walked from left to right.

    The remainder of the stream (fewer than B tokens) and of the rows (up to T tokens each) is
    left out, as the tutorial does; `every_token` leaves nothing out.

    Raises ValueError where not even one window fits.
    """
    _require_positive(batch_size, num_steps)
    batch_len = len(ids) // batch_size
    num_windows = (batch_len - 1) // num_steps
    maxima = len(ids) // (num_steps + 1), len(ids) // batch_size - 1
    _require_a_window(ids, batch_size, num_steps, batch_size * (num_steps + 1), maxima)
    starts = _grid(batch_len * np.arange(batch_size), num_windows, num_steps)
    lengths = np.full_like(starts, num_steps)
    return Windows(_int32(ids), starts, lengths, num_steps, carries_state=True)


def random(ids: np.ndarray, batch_size: int, num_steps: int, rng: np.random.Generator) -> Windows:
    """Windows in random order, without overlap, from a random offset below T.

    Call it again with the same generator for another epoch's order. No window continues another,
    so the state must be zeroed before each. There are as many windows as fit behind the offset,
    (N - 1 - offset) // (B T): as many as `sequential` gives, one more, or one fewer.

    Raises ValueError where not even one window fits.
    """
    _require_positive(batch_size, num_steps)
    maxima = len(ids) // num_steps - 1, len(ids) // (batch_size + 1)
    _require_a_window(ids, batch_size, num_steps, (batch_size + 1) * num_steps, maxima)
    offset = int(rng.integers(num_steps))
    candidates = offset + num_steps * rng.permutation((len(ids) - 1 - offset) // num_steps)
    num_windows = len(candidates) // batch_size
    starts = candidates[: num_windows * batch_size].reshape(num_windows, batch_size)
    starts = _int32(starts)
    lengths = np.full_like(starts, num_steps)
    return Windows(_int32(ids), starts, lengths, num_steps, carries_state=False)


def epoch(
    ids: np.ndarray, batch_size: int, num_steps: int, sampling: str, seed: tuple[int, int]
) -> Windows:
    """The windows of one epoch: `sampling` is "sequential", or "random" in an order from `seed`."""
    if sampling == "sequential":
        return sequential(ids, batch_size, num_steps)
    if sampling != "random":
        raise ValueError(f"sampling={sampling} is unknown: choose from sequential, random")
    return random(ids, batch_size, num_steps, np.random.default_rng(seed))


def every_token(ids: np.ndarray, batch_size: int, num_steps: int) -> Windows:
    """Windows for evaluation: each of the N - 1 tokens after the first is a target just once.

    The N - 1 predictions are cut into B rows of equal length (the last ones shorter), and each row
    into windows; `lengths` masks the padding. With B = 1 each token is predicted from all
    before it; with more, B - 1 rows start without context.

    Raises ValueError for fewer than two tokens, or rows without a token.
    """
    _require_positive(batch_size, num_steps)
    predictions = len(ids) - 1
    if predictions < 1:
        raise ValueError(f"a text of {len(ids)} tokens has none to predict: use a longer text")
    if predictions < batch_size:
        raise ValueError(
            f"batch_size={batch_size} is more than the {predictions} predictions in a text of "
            f"{len(ids)} tokens: use a batch_size of at most {predictions} or a longer text"
        )
    row_len = -(-predictions // batch_size)
    num_windows = -(-row_len // num_steps)
    starts = _grid(row_len * np.arange(batch_size), num_windows, num_steps)
    row_ends = np.minimum(row_len * np.arange(1, batch_size + 1), predictions)
    lengths = np.clip(row_ends - starts, 0, num_steps).astype(np.int32)
    starts = np.minimum(starts, predictions).astype(np.int32)
    stream = np.pad(_int32(ids), (0, num_steps))
    return Windows(stream, starts, lengths, num_steps, carries_state=True)


def _grid(row_starts: np.ndarray, num_windows: int, num_steps: int) -> np.ndarray:
    """`[K, B]` int32: where each row's windows start when they follow each other."""
    return _int32(row_starts[None, :] + num_steps * np.arange(num_windows)[:, None])


def _int32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.int32)


def _require_positive(batch_size: int, num_steps: int) -> None:
    for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")


def _require_a_window(
    ids, batch_size: int, num_steps: int, num_tokens: int, maxima: tuple[int, int]
) -> None:
    """`maxima` are the largest batch_size beside this num_steps, and the other way round."""
    if len(ids) < num_tokens:
        names = zip(("batch_size", "num_steps"), maxima, strict=True)
        works = [f"a {name} of at most {size}" for name, size in names if size > 0]
        raise ValueError(
            f"batch_size={batch_size} x num_steps={num_steps} needs a text of at least "
            f"{num_tokens} tokens, and this one has {len(ids)}: use "
            f"{' or '.join([*works, 'a longer text'])}"
        )
