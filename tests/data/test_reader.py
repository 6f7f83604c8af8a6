import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptb.data import reader
from ptb.data.documents import Borders

TEXT = np.arange(13)
DOC = reader.__doc__


def windows_of(windows):
    return [tuple(part.tolist() for part in window) for window in windows]


@pytest.mark.parametrize(
    ("num_tokens", "rows"),
    [(1000, 8), (160, 4), (30, 1)],
)
def test_validation_has_rows_of_ten_windows_and_of_a_short_text_fewer(num_tokens, rows):
    windows = reader.validation(np.arange(num_tokens), 8, num_steps=4)
    assert windows.batch_size == rows
    assert windows.lengths.sum() == num_tokens - 1


def test_validation_in_windows_of_no_step_is_refused():
    with pytest.raises(ValueError, match="num_steps=0"):
        reader.validation(np.arange(9), 2, num_steps=0)


def test_rows_without_a_target_fill_up_what_replicas_share():
    windows = reader.every_line(np.array([2, 0, 3, 4, 0, 5, 0]), 0, batch_size=3, num_steps=2)
    filled = windows.fill_rows(2)
    assert filled.batch_size == 4
    assert filled.lengths[:, 3].tolist() == [0, 0]
    assert filled.num_tokens == windows.num_tokens == 7
    for name in ("starts", "lengths", "restarts"):
        np.testing.assert_array_equal(getattr(filled, name)[:, :3], getattr(windows, name))
    assert windows.fill_rows(3).batch_size == 3


def test_sequential_windows_are_the_tutorials():
    assert windows_of(reader.sequential(TEXT, batch_size=2, num_steps=3)) == [
        ([[0, 1, 2], [6, 7, 8]], [[1, 2, 3], [7, 8, 9]]),
    ]
    assert windows_of(reader.sequential(TEXT, batch_size=2, num_steps=2)) == [
        ([[0, 1], [6, 7]], [[1, 2], [7, 8]]),
        ([[2, 3], [8, 9]], [[3, 4], [9, 10]]),
    ]


def test_the_drawing_in_the_docstring_is_what_sequential_cuts():
    (stream, *shape) = re.search(r"stream +(.+?)  +N = (\d+), B = (\d+), T = (\d+)", DOC).groups()
    num_tokens, batch_size, num_steps = map(int, shape)
    letters = np.array(stream.split())
    assert len(letters) == num_tokens
    windows = reader.sequential(np.arange(num_tokens), batch_size, num_steps)
    drawn = [
        [" | ".join(" ".join(letters[window[part][row]]) for window in windows) for part in (0, 1)]
        for row in range(batch_size)
    ]
    rows = re.findall(r"row \d +(.+?)  +(?:targets +)?(\S.*)", DOC)
    assert drawn == [list(row) for row in rows]


def test_evaluation_windows_pad_and_mask_the_tail():
    windows = reader.every_token(np.arange(1, 9), batch_size=2, num_steps=3)
    assert windows_of(windows) == [
        ([[1, 2, 3], [5, 6, 7]], [[2, 3, 4], [6, 7, 8]]),
        ([[4, 5, 6], [8, 0, 0]], [[5, 6, 7], [0, 0, 0]]),
    ]
    assert windows.lengths.tolist() == [[3, 3], [1, 0]]


@given(
    num_tokens=st.integers(2, 300),
    batch_size=st.integers(1, 8),
    num_steps=st.integers(1, 12),
)
def test_evaluation_predicts_each_token_once_whatever_the_shape(num_tokens, batch_size, num_steps):
    if num_tokens - 1 < batch_size:
        with pytest.raises(ValueError, match="batch_size"):
            reader.every_token(np.arange(num_tokens), batch_size, num_steps)
        return
    windows = reader.every_token(np.arange(num_tokens), batch_size, num_steps)
    predicted = [
        (inputs[row, step], targets[row, step])
        for (inputs, targets), lengths in zip(windows, windows.lengths, strict=True)
        for row in range(batch_size)
        for step in range(lengths[row])
    ]
    assert sorted(predicted) == [(i, i + 1) for i in range(num_tokens - 1)]
    assert windows.num_tokens == num_tokens - 1


@given(
    num_tokens=st.integers(2, 300),
    batch_size=st.integers(1, 8),
    num_steps=st.integers(1, 12),
)
def test_sequential_rows_put_together_again_are_the_text(num_tokens, batch_size, num_steps):
    text = np.random.default_rng(num_tokens).integers(50, size=num_tokens)
    if num_tokens < batch_size * (num_steps + 1):
        with pytest.raises(ValueError, match=f"has {num_tokens}"):
            reader.sequential(text, batch_size, num_steps)
        return
    windows = list(reader.sequential(text, batch_size, num_steps))
    row_len = num_tokens // batch_size
    inputs = np.concatenate([inputs for inputs, _ in windows], axis=1)
    targets = np.concatenate([targets for _, targets in windows], axis=1)
    for row in range(batch_size):
        whole_row = text[row * row_len : (row + 1) * row_len]
        np.testing.assert_array_equal(inputs[row], whole_row[: inputs.shape[1]])
        np.testing.assert_array_equal(targets[row], whole_row[1 : 1 + inputs.shape[1]])
    assert row_len - 1 - inputs.shape[1] < num_steps


def test_random_windows_do_not_overlap_and_cover_the_text_in_another_order():
    windows = reader.random(np.arange(1000), 4, 10, np.random.default_rng(0))
    starts = windows.starts.ravel()
    assert len(windows) == 24
    assert not windows.carries_state
    assert np.diff(np.sort(starts)).min() == 10
    assert (np.diff(starts) != 10).any()
    for inputs, targets in windows:
        np.testing.assert_array_equal(targets, inputs + 1)


@given(
    num_tokens=st.integers(2, 300),
    batch_size=st.integers(1, 8),
    num_steps=st.integers(1, 12),
    seed=st.integers(0, 20),
)
def test_random_windows_are_as_many_as_fit_and_read_no_token_twice(
    num_tokens, batch_size, num_steps, seed
):
    rng = np.random.default_rng(seed)
    if num_tokens < (batch_size + 1) * num_steps:
        with pytest.raises(ValueError, match=f"has {num_tokens}"):
            reader.random(np.arange(num_tokens), batch_size, num_steps, rng)
        return
    windows = reader.random(np.arange(num_tokens), batch_size, num_steps, rng)
    offset = int(np.random.default_rng(seed).integers(num_steps))
    assert len(windows) == (num_tokens - 1 - offset) // (batch_size * num_steps) > 0
    assert windows.starts.min() >= offset
    inputs, targets = (np.concatenate(part, axis=None) for part in zip(*windows, strict=True))
    assert len(set(inputs)) == inputs.size == windows.num_tokens
    np.testing.assert_array_equal(targets, inputs + 1)
    assert targets.max() < num_tokens
    if num_tokens >= batch_size * (num_steps + 1):
        sequential = reader.sequential(np.arange(num_tokens), batch_size, num_steps)
        assert abs(len(windows) - len(sequential)) <= 1


def test_random_windows_may_be_one_more_or_one_fewer_than_the_sequential_ones():
    def counts(num_tokens, *shape):
        ids, generators = np.arange(num_tokens), map(np.random.default_rng, range(20))
        random = {len(reader.random(ids, *shape, generator)) for generator in generators}
        return random, len(reader.sequential(ids, *shape))

    assert counts(7, 2, 1) == ({3}, 2)
    assert counts(7, 1, 3) == ({1, 2}, 2)


def test_random_order_follows_the_seed():
    ids = np.arange(1000)
    first, again, other = (
        reader.epoch(ids, 4, 10, "random", (1, epoch)).starts.tolist() for epoch in (0, 0, 1)
    )
    assert first == again != other


def test_dataset_gives_the_windows_in_order_once():
    windows = reader.every_token(np.arange(20), batch_size=2, num_steps=4)
    batches = list(windows.dataset().as_numpy_iterator())
    assert len(batches) == len(windows) == windows.dataset().cardinality()
    for (inputs, targets, mask), expected, lengths in zip(
        batches, windows, windows.lengths, strict=True
    ):
        np.testing.assert_array_equal((inputs, targets), expected)
        assert mask.tolist() == [[float(t < length) for t in range(4)] for length in lengths]
        assert inputs.dtype == targets.dtype == np.int32


def test_windows_of_documents_are_no_dataset():
    windows = reader.every_token(np.arange(20), 2, 4, Borders("line", 3))
    with pytest.raises(ValueError, match="reset the state within a row"):
        windows.dataset()


@pytest.mark.parametrize("make", [reader.sequential, reader.every_token])
def test_sizes_that_are_not_positive_are_refused_by_name(make):
    with pytest.raises(ValueError, match="batch_size=0"):
        make(np.arange(50), 0, 5)
    with pytest.raises(ValueError, match="num_steps=-1"):
        make(np.arange(50), 4, -1)
    with pytest.raises(ValueError, match="sampling=sorted"):
        reader.epoch(np.arange(50), 4, 5, "sorted", (0, 0))


@pytest.mark.parametrize(
    "make",
    [
        lambda ids: reader.sequential(ids, 4, 5),
        lambda ids: reader.random(ids, 4, 5, np.random.default_rng(0)),
        lambda ids: reader.every_token(ids, 4, 5),
        lambda ids: reader.every_line(ids, 0, 4, 5),
    ],
)
def test_a_text_of_more_tokens_than_its_places_can_count_is_refused(make):
    ids = np.broadcast_to(np.int32(1), 2**31 - 6)  # in four bytes
    with pytest.raises(ValueError, match=r"2,147,483,642 tokens, and at most 2,147,483,641 .*=5"):
        make(ids)


def test_a_text_too_short_for_one_window_is_refused_with_the_sizes():
    with pytest.raises(ValueError, match=r"batch_size=4 .*num_steps=5 .*24 tokens.* 23"):
        reader.sequential(np.arange(23), 4, 5)
    assert len(reader.sequential(np.arange(24), 4, 5)) == 1
    with pytest.raises(ValueError, match="25 tokens"):
        reader.random(np.arange(24), 4, 5, np.random.default_rng(0))


def test_window_tokens_are_the_inputs_and_the_target_after_them_for_any_leading_axes():
    windows = reader.sequential(np.arange(31, dtype=np.int32), 3, 4)
    for k in range(len(windows)):
        inputs, targets = windows[k]
        tokens = reader.window_tokens(windows.stream, windows.starts[k], 4).numpy()
        np.testing.assert_array_equal(tokens, np.hstack([inputs, targets[:, -1:]]))
    whole = reader.window_tokens(windows.stream, windows.starts, 4)
    assert whole.shape == (len(windows), 3, 5)
    np.testing.assert_array_equal(whole[1, 2], windows.starts[1, 2] + np.arange(5))
