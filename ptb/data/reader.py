"""Token ids to `[batch_size, num_steps]` windows.

Axis letters: N = tokens in the stream, B = batch_size (parallel rows), T = num_steps (tokens
of a row in one window), K = windows.

Sequential sampling cuts the stream into B rows and walks all of them from left to right:

    stream   a b c d e f g h i j k l m n        N = 14, B = 2, T = 3

    row 0    a b c | d e f        targets   b c d | e f g
    row 1    h i j | k l m                  i j k | l m n
             k = 0   k = 1                  k = 0   k = 1

Row b of window k+1 continues row b of window k, so the network's state may be carried from one
window to the next. Random sampling shuffles the windows, so its state starts at zero each time.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from ptb.data.documents import Borders

OVERHEAD_STEPS = 2
ROW_WINDOWS = 10  # about, at least, in a row of validation
# The places of a stream, padding and an `<eos>` before the text included, are int32.
MAX_PLACES = 2**31 - 2


@dataclass(frozen=True)
class Windows:
    """The windows of a split: the token ids once, and the position of each window.

    `windows[k]` gives inputs and targets of window k, int32 `[B, T]` each. `len(windows)` is K.

    Attributes:
      stream: int32 `[N]`, the ids, padded so that every window lies inside.
      starts: int32 `[K, B]`. Row b of window k reads `stream[starts[k, b]:][:T]`.
      lengths: int32 `[K, B]`, how many of the T targets are real. The rest is padding.
      num_steps: T.
      carries_state: whether row b of window k+1 continues row b of window k.
      restarts: bool `[K, B]`, the rows whose state is zeroed before window k although the windows
        carry it. None: no row.
      resets: bool `[N]`, the tokens before which the state is zeroed, anywhere in a window. None:
        no token.
      first: where the text begins in the stream: 1 if an `<eos>` was put before it, else 0.
    """

    stream: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    num_steps: int
    carries_state: bool
    restarts: np.ndarray | None = None
    resets: np.ndarray | None = None
    first: int = 0

    @property
    def batch_size(self) -> int:
        return self.starts.shape[1]

    @property
    def num_tokens(self) -> int:
        """The number of tokens that one pass over the windows predicts."""
        return int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of window k, int32 `[B, T]` each."""
        tokens = self.stream[self.starts[k][:, None] + np.arange(self.num_steps + 1)]
        return tokens[:, :-1], tokens[:, 1:]

    def take(self, count: int) -> Windows:
        """The first `count` windows."""
        restarts = None if self.restarts is None else self.restarts[:count]
        starts, lengths = self.starts[:count], self.lengths[:count]
        return replace(self, starts=starts, lengths=lengths, restarts=restarts)

    def fill_rows(self, parts: int) -> Windows:
        """The windows with rows added that have no target, until `parts` divides their number."""
        columns = (0, 0), (0, -self.batch_size % parts)
        restarts = None if self.restarts is None else np.pad(self.restarts, columns)
        starts, lengths = np.pad(self.starts, columns), np.pad(self.lengths, columns)
        return replace(self, starts=starts, lengths=lengths, restarts=restarts)

    def dataset(self):
        """The windows in order, as a finite `tf.data.Dataset` of (inputs, targets, mask).

        Each is `[B, T]`; inputs and targets are int32, the mask is float32: 1 for a real target,
        0 for padding. Keras takes the mask as sample weights, for the
        loss and `weighted_metrics`.

        Raises ValueError for windows of documents, whose resets such a dataset cannot carry.
        """
        if self.resets is not None or self.restarts is not None:
            raise ValueError("these windows reset the state within a row: read them one by one")
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


def window_resets(resets, starts, num_steps: int):
    """Of `resets` bool `[N]` those of the inputs of a window, bool `[..., B, T]`; None for None."""
    return None if resets is None else window_tokens(resets, starts, num_steps - 1)


def sequential(ids: np.ndarray, batch_size: int, num_steps: int) -> Windows:
    """Cuts a text into the tutorial's windows: B rows of N // B tokens, read from left to right.

    As in the tutorial, the end of the text (fewer than B tokens) and the end of each row (up to T
    tokens) are left out. `every_token` leaves nothing out.

    Raises ValueError if the text is shorter than one window.
    """
    _require_sizes(ids, batch_size, num_steps)
    batch_len = len(ids) // batch_size
    num_windows = (batch_len - 1) // num_steps
    maxima = len(ids) // (num_steps + 1), len(ids) // batch_size - 1
    _require_a_window(ids, batch_size, num_steps, batch_size * (num_steps + 1), maxima)
    starts = _grid(batch_len * np.arange(batch_size), num_windows, num_steps)
    lengths = np.full_like(starts, num_steps)
    return Windows(_int32(ids), starts, lengths, num_steps, carries_state=True)


def random(ids: np.ndarray, batch_size: int, num_steps: int, rng: np.random.Generator) -> Windows:
    """Cuts a text into windows in random order, without overlap, from a random offset below T.

    Call it again with the same generator to get the order of another epoch. No window continues
    another, so the state must be zeroed before each. The number of windows is
    (N - 1 - offset) // (B T): the same as with `sequential`, one more, or one fewer.

    Raises ValueError if the text is shorter than one window.
    """
    _require_sizes(ids, batch_size, num_steps)
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


def every_token(
    ids: np.ndarray, batch_size: int, num_steps: int, borders: Borders | None = None
) -> Windows:
    """Cuts a text into windows for evaluation: every token after the first is a target once.

    The N - 1 predictions are cut into B rows of equal length (the last ones may be shorter), and
    each row into windows. `lengths` masks the padding. With B = 1, each token is predicted from all
    tokens before it. With a larger B, B - 1 rows start without context.

    With `borders`, an `<eos>` is put before the text (`Borders.stream`), so that all N tokens are
    targets, and `resets` marks where documents begin.

    Raises ValueError for fewer than two tokens, or fewer predictions than rows.
    """
    _require_sizes(ids, batch_size, num_steps)
    if borders:
        ids = borders.stream(ids)
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
    resets = borders.resets(stream) if borders else None
    first = 1 if borders else 0
    return Windows(
        stream, starts, lengths, num_steps, carries_state=True, resets=resets, first=first
    )


def validation(
    ids: np.ndarray, batch_size: int, num_steps: int, borders: Borders | None = None
) -> Windows:
    """Cuts a text into windows for validation during training: `every_token` in several rows.

    Rows make it fast, but each row except the first starts without context. So each row has about
    `ROW_WINDOWS` windows or more: a short text has fewer rows than `batch_size`.

    Raises ValueError as `every_token` does.
    """
    _require_sizes(ids, batch_size, num_steps)
    rows = max(1, len(ids) // (ROW_WINDOWS * num_steps))
    return every_token(ids, min(batch_size, rows), num_steps, borders)


def line_starts(ids: np.ndarray, eos: int) -> np.ndarray:
    """Where each line of ids `[N]` starts, and N, int64. A line ends with its `eos`."""
    return np.unique(np.concatenate([[0], np.flatnonzero(ids == eos) + 1, [len(ids)]]))


def every_line(ids: np.ndarray, eos: int, batch_size: int, num_steps: int) -> Windows:
    """Windows that score each line on its own: `eos` and a state of zeros come first.

    Each of the N tokens is a target just once. The stream of the windows is `eos` and the N ids, so
    target i of `ids` is `stream[i + 1]`. The lines are dealt to B rows of about equal length, and a
    line starts with a window; `restarts` says where.
    """
    _require_sizes(ids, batch_size, num_steps)
    bounds = line_starts(ids, eos)
    num_windows = -(-np.diff(bounds) // num_steps)
    row, first = _deal(num_windows, min(batch_size, len(num_windows)))
    row_windows = np.bincount(row, num_windows).astype(np.int64)
    shape = int(row_windows.max()), len(row_windows)
    starts, ends = np.full(shape, len(ids)), np.full(shape, len(ids))
    line = np.repeat(np.arange(len(num_windows)), num_windows)
    j = np.arange(len(line)) - np.repeat(np.cumsum(num_windows) - num_windows, num_windows)
    starts[first[line] + j, row[line]] = bounds[line] + num_steps * j
    ends[first[line] + j, row[line]] = bounds[line + 1]
    restarts = np.zeros(shape, bool)
    restarts[first, row] = True
    lengths = _int32(np.clip(ends - starts, 0, num_steps))
    stream = np.pad(_int32(np.concatenate([[eos], ids])), (0, num_steps))
    windows = Windows(stream, _int32(starts), lengths, num_steps, carries_state=True)
    return replace(windows, restarts=restarts, first=1)


def steps_for_lines(ids: np.ndarray, eos: int, max_steps: int) -> int:
    """The num_steps, at most `max_steps`, with which `every_line` is fastest: little padding.

    The overhead of a window is estimated as OVERHEAD_STEPS steps.
    """
    lengths = np.diff(line_starts(ids, eos))
    costs = {t: (-(-lengths // t)).sum() * (t + OVERHEAD_STEPS) for t in range(1, max_steps + 1)}
    return min(costs, key=costs.__getitem__)


def _deal(sizes: np.ndarray, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The row of each item, and how much of that row is before it: the largest items first."""
    row, first = np.empty(len(sizes), np.int64), np.empty(len(sizes), np.int64)
    rows = [(0, each) for each in range(num_rows)]
    for item in np.argsort(-sizes, kind="stable").tolist():
        first[item], row[item] = rows[0]
        heapq.heapreplace(rows, (rows[0][0] + int(sizes[item]), rows[0][1]))
    return row, first


def _grid(row_starts: np.ndarray, num_windows: int, num_steps: int) -> np.ndarray:
    """`[K, B]` int32: where each row's windows start when they follow each other."""
    return _int32(row_starts[None, :] + num_steps * np.arange(num_windows)[:, None])


def _int32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.int32)


def _require_sizes(ids, batch_size: int, num_steps: int) -> None:
    """Raises ValueError for sizes below 1, or a text with places that int32 does not count."""
    for name, value in (("batch_size", batch_size), ("num_steps", num_steps)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    most = MAX_PLACES - num_steps
    if len(ids) > most:
        raise ValueError(
            f"the text has {len(ids):,} tokens, and at most {most:,} can be read with "
            f"num_steps={num_steps}: give a shorter one"
        )


def _require_a_window(
    ids, batch_size: int, num_steps: int, num_tokens: int, maxima: tuple[int, int]
) -> None:
    """Raises ValueError if no window fits. `maxima` are the largest batch_size with this num_steps,
    and the largest num_steps with this batch_size.
    """
    if len(ids) < num_tokens:
        names = zip(("batch_size", "num_steps"), maxima, strict=True)
        works = [f"a {name} of at most {size}" for name, size in names if size > 0]
        raise ValueError(
            f"batch_size={batch_size} x num_steps={num_steps} needs a text of at least "
            f"{num_tokens} tokens, and this one has {len(ids)}: use "
            f"{' or '.join([*works, 'a longer text'])}"
        )
