"""A checkpoint is read back to the bit, or refused, whatever became of its file."""

import dataclasses
import hashlib
import json
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from ptb.runs import tensor_file
from ptb.runs.checkpoint import (
    Checkpoint,
    is_blank,
    load_checkpoint,
    run_id_of,
    save_checkpoint,
)
from ptb.training.progress import Progress
from ptb.training.report import EpochReport

RANDOM = np.random.default_rng(0)
REPORT = EpochReport(1, 1.0, 180.0, 90.0, 3.0, 10.0, 100.0)
CHECKPOINT = Checkpoint(
    run_id="abc",
    progress=Progress(1, 7, 1 / 3, 0.1, 2.5, 8, 0.7, True, 0.5, 1, 1, (REPORT,)),
    weights={"embedding": RANDOM.normal(size=(4, 3)).astype(np.float32)},
    state=[RANDOM.normal(size=(2, 3)).astype(np.float32) for _ in range(2)],
    slots={"embedding/momentum": np.arange(12, dtype=np.float32).reshape(4, 3)},
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, CHECKPOINT)
    return path


def test_all_of_it_is_read_back_to_the_bit(path):
    loaded = load_checkpoint(path)
    assert loaded.run_id == "abc"
    assert loaded.progress == CHECKPOINT.progress
    for part in ("weights", "slots"):
        saved, read = getattr(CHECKPOINT, part), getattr(loaded, part)
        assert {n: a.tobytes() for n, a in read.items()} == {
            n: a.tobytes() for n, a in saved.items()
        }
    np.testing.assert_array_equal(loaded.state, CHECKPOINT.state)


def test_any_reader_of_safetensors_reads_it_and_its_checksum_is_that_of_the_file(path):
    name = "weights/embedding"
    np.testing.assert_array_equal(load_file(path)[name], CHECKPOINT.weights["embedding"])
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    assert metadata["format"] == "3"
    assert json.loads(metadata["progress"])["epoch"] == 1
    digest = metadata["sha256"].encode()
    content = path.read_bytes()
    assert content.count(digest) == 1
    zeroed = content.replace(digest, b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest().encode() == digest


def test_arrays_of_every_layout_are_read_back(tmp_path):
    slots = {
        "scalar": np.int64(7),
        "odd": np.arange(3, dtype=np.float32),
        "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "none": np.zeros((0, 3), np.float32),
    }
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, dataclasses.replace(CHECKPOINT, slots=slots))
    loaded = load_checkpoint(path).slots
    for name, array in slots.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].flags.aligned


def test_no_tensor_is_copied_to_save_it_and_each_once_to_load_it(tmp_path):
    path = tmp_path / "c.safetensors"
    weights = {f"w{i}": np.ones(1 << 18, np.float32) for i in range(8)}
    num_bytes = sum(weight.nbytes for weight in weights.values())
    tracemalloc.start()
    try:
        save_checkpoint(path, dataclasses.replace(CHECKPOINT, weights=weights))
        assert tracemalloc.get_traced_memory()[1] < num_bytes / 8
        tracemalloc.reset_peak()
        load_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 1.25 * num_bytes
    finally:
        tracemalloc.stop()


def test_any_flipped_bit_and_any_lost_byte_is_noticed(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"c\.safetensors .*damaged"):
            load_checkpoint(path)
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="cannot be read"):
        load_checkpoint(tmp_path)


def sealed(path, metadata, tensors=None):
    """A file from untrusted hands, whose checksum is right."""
    with path.open("wb") as file:
        tensor_file.write(file, metadata, tensors or {})
    return path


PROGRESS = json.dumps(dataclasses.asdict(Progress()))


def test_a_sealed_file_of_no_tensors_is_a_checkpoint(tmp_path):
    metadata = {"format": "3", "run": "abc", "progress": PROGRESS}
    assert load_checkpoint(sealed(tmp_path / "c.safetensors", metadata)).progress == Progress()


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"format": "3"},
        {"format": "2", "progress": PROGRESS},
        *(
            {"format": "3", "progress": progress}
            for progress in (
                "",
                "[",
                "[]",
                "7",
                "null",
                "[" * 100_000,
                '{"reports": 7}',
                '{"reports": [7]}',
                '{"reports": [{"colour": "blue"}]}',
                '{"reports": [], "colour": "blue"}',
                '{"reports": [], "epoch": ' + "9" * 5000 + "}",
            )
        ),
    ],
)
def test_sealed_metadata_that_no_run_wrote_is_refused(tmp_path, metadata):
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(sealed(tmp_path / "c.safetensors", metadata))


NUMBERS = [field.name for field in dataclasses.fields(Progress)][:-1]


@given(
    st.sampled_from(NUMBERS),
    st.one_of(
        st.integers(max_value=-1),
        st.just(float("nan")),
        st.just(float("inf")),
        st.text(),
        st.none(),
        st.lists(st.integers()),
    ),
)
def test_progress_of_a_wrong_type_or_size_is_refused(name, value):
    values = dataclasses.asdict(CHECKPOINT.progress)
    with pytest.raises(ValueError):
        Progress.from_dict(values | {name: value})


@pytest.mark.parametrize(
    "values",
    [
        {"epoch": 2},
        {"epoch": 10**30},
        {"cost": 10**400},
        {"seconds": 10**400},
        {"epoch": 1.5},
        {"learned": 1},
        {"stretch_windows": 100},
        {"best_epoch": 2},
        {"rate_factor": 0.0},
        {"rate_factor": 2.0},
        {"reports": [dataclasses.asdict(REPORT) | {"epoch": 2}]},
        {"reports": [dataclasses.asdict(REPORT) | {"valid_perplexity": "9"}]},
        {"reports": [dataclasses.asdict(REPORT) | {"valid_perplexity": float("nan")}]},
    ],
)
def test_progress_that_contradicts_itself_is_refused(values):
    with pytest.raises(ValueError):
        Progress.from_dict(dataclasses.asdict(CHECKPOINT.progress) | values)


def header_of(text, rest=b""):
    return len(text).to_bytes(8, "little") + text + rest


def test_headers_that_promise_what_is_not_there_are_refused(tmp_path):
    tensor = '{"a":{"dtype":"%s","shape":[%s],"data_offsets":[%s]}}'
    attacks = {
        "no header": b"",
        "a header longer than the file": (1 << 62).to_bytes(8, "little") + b"{}",
        "no JSON": header_of(b"text"),
        "deep JSON": header_of(b"[" * 100_000),
        "a tensor that is not there": header_of((tensor % ("F32", "99999", "0,399996")).encode()),
        "a tensor beyond all memory": header_of(
            (tensor % ("F32", "4611686018427387904,4", "0,16")).encode(), bytes(16)
        ),
        "tensors over each other": header_of(
            b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},'
            b'"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
            bytes(4),
        ),
        "an unknown type": header_of((tensor % ("PICKLE", "1", "0,4")).encode(), bytes(4)),
        "more behind the tensors": header_of((tensor % ("U8", "1", "0,1")).encode(), bytes(9)),
        "a checksum that is no text": header_of(b'{"__metadata__":{"sha256":7}}'),
        "no checksum": header_of(b'{"__metadata__":{"format":"3"}}'),
    }
    path = tmp_path / "c.safetensors"
    for what, content in attacks.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"c\.safetensors .*damaged"):
            load_checkpoint(path)
        assert list(tmp_path.iterdir()) == [path], what


@pytest.mark.parametrize("dtype", ["f8", "f2", "i4", "c8"])
def test_weights_of_another_type_are_refused(tmp_path, dtype):
    path = tmp_path / "c.safetensors"
    tensors = {"weights/embedding": np.zeros(3, dtype)}
    metadata = {"format": "3", "run": "abc", "progress": PROGRESS}
    if tensors["weights/embedding"].dtype.str in tensor_file.DTYPES:
        sealed(path, metadata, tensors)
    else:
        with pytest.raises(ValueError, match="dtype"):
            sealed(path, metadata, tensors)
        save_file(tensors, path, metadata | {"sha256": "0" * 64})
    with pytest.raises(ValueError, match=r"float32|dtype"):
        load_checkpoint(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["weights", "slots"])
def test_nan_and_infinity_are_refused(tmp_path, part, value):
    array = np.array([1, value, 2], np.float32)
    save_checkpoint(
        tmp_path / "c.safetensors", dataclasses.replace(CHECKPOINT, **{part: {"b": array}})
    )
    with pytest.raises(ValueError, match=f"{part}/b .*NaN or infinite"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_a_file_larger_than_the_memory_is_refused_unread(tmp_path):
    with (tmp_path / "c.safetensors").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(ValueError, match="memory"):
        load_checkpoint(tmp_path / "c.safetensors")


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(tmp_path, path):
    (tmp_path / "precious").write_text("data")
    token = "0" * 32
    (tmp_path / f".c.safetensors.{token}").symlink_to("precious")
    with pytest.raises(FileExistsError):
        save_checkpoint(path, CHECKPOINT, token)
    assert (tmp_path / f".c.safetensors.{token}").is_symlink()
    save_checkpoint(path, CHECKPOINT)
    assert (tmp_path / "precious").read_text() == "data"
    assert load_checkpoint(path).progress == CHECKPOINT.progress


def test_the_first_bytes_say_which_run_it_is_of_and_nothing_else_does(tmp_path, path):
    run = "0123456789abcdef" * 4
    save_checkpoint(path, dataclasses.replace(CHECKPOINT, run_id=run))
    assert run_id_of(path) == run
    path.write_bytes(path.read_bytes()[:-100])
    assert run_id_of(path) == run
    for content in (b"", b"data", bytes(5000), path.read_bytes()[20:]):
        path.write_bytes(content)
        assert run_id_of(path) is None
        assert is_blank(path) == (not any(content))
    save_file({"a": np.zeros(3, np.float32)}, path, {"format": "pt", "run": run})
    assert run_id_of(path) is None
    path.unlink()
    os.mkfifo(path)
    assert run_id_of(path) is None
    assert not is_blank(path)
