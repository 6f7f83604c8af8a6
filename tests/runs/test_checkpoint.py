"""A checkpoint is read back to the bit, or refused, whatever became of its file."""

import dataclasses
import hashlib
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptb.runs.checkpoint import (
    Checkpoint,
    is_blank,
    load_checkpoint,
    run_of,
    save_checkpoint,
)
from ptb.training.progress import Progress
from ptb.training.report import EpochReport

RANDOM = np.random.default_rng(0)
REPORT = EpochReport(1, 1.0, 180.0, 90.0, 3.0, 10.0, 100.0)
CHECKPOINT = Checkpoint(
    run="abc",
    progress=Progress(1, 7, 1 / 3, 0.1, 2.5, 8, 0.7, True, 0.5, 1, 1, (REPORT,)),
    weights={"Model/embedding": RANDOM.normal(size=(4, 3)).astype(np.float32)},
    state=[RANDOM.normal(size=(2, 3)).astype(np.float32) for _ in range(2)],
    slots={"Model/embedding/momentum": np.arange(12, dtype=np.float32).reshape(4, 3)},
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, CHECKPOINT)
    return path


def test_all_of_it_is_read_back_to_the_bit(path):
    loaded = load_checkpoint(path)
    assert loaded.run == "abc"
    assert loaded.progress == CHECKPOINT.progress
    for part in ("weights", "slots"):
        saved, read = getattr(CHECKPOINT, part), getattr(loaded, part)
        assert {n: a.tobytes() for n, a in read.items()} == {
            n: a.tobytes() for n, a in saved.items()
        }
    np.testing.assert_array_equal(loaded.state, CHECKPOINT.state)


def test_numpy_reads_it_without_pickle_and_its_end_is_the_checksum_of_the_rest(path):
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(
            archive["weights/Model/embedding"], CHECKPOINT.weights["Model/embedding"]
        )
    content = path.read_bytes()
    assert content[-64:].decode() == hashlib.sha256(content[:-64]).hexdigest()


def test_any_flipped_bit_and_any_lost_byte_is_noticed(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"c\.npz is damaged"):
            load_checkpoint(path)
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="cannot be read"):
        load_checkpoint(tmp_path)


def seal(path, write):
    """An archive from untrusted hands, whose checksum is right."""
    with path.open("w+b") as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.comment = b"0" * 64
            write(archive)
        file.seek(0)
        content = file.read()[:-64]
        file.seek(len(content))
        file.write(hashlib.sha256(content).hexdigest().encode())


def array_bytes(tmp_path, array, allow_pickle=False):
    with (tmp_path / "array").open("wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=allow_pickle)
    return (tmp_path / "array").read_bytes()


def sealed_meta(tmp_path, text: bytes):
    path = tmp_path / "c.npz"
    seal(path, lambda z: z.writestr("meta.npy", array_bytes(tmp_path, np.frombuffer(text, "u1"))))
    return path


@pytest.mark.parametrize(
    "meta",
    [
        b"",
        b"[",
        b"[]",
        b"7",
        b"[" * 100_000,
        b'{"format": 2}',
        b'{"format": 1, "progress": {}}',
        b'{"format": 2, "progress": {"reports": 7}}',
        b'{"format": 2, "progress": {"reports": [{"colour": "blue"}]}}',
        b'{"format": 2, "progress": {"reports": [], "colour": "blue"}}',
        b'{"format": 2, "progress": {"reports": [], "epoch": ' + b"9" * 5000 + b"}}",
    ],
)
def test_a_sealed_meta_that_is_none_is_refused(tmp_path, meta):
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(sealed_meta(tmp_path, meta))


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


def test_sealed_archives_cannot_run_code_or_fill_the_memory(tmp_path):
    path = tmp_path / "c.npz"
    objects = array_bytes(tmp_path, np.array([{"format": 2}], dtype=object), allow_pickle=True)
    small = array_bytes(tmp_path, np.zeros((10, 10), np.float32))
    huge = small.replace(b"(10, 10)", b"(99999,)")
    attacks = {
        "pickled objects": lambda z: z.writestr("meta.npy", objects),
        "a header of an array that is not there": lambda z: z.writestr("meta.npy", huge),
        "a compressed bomb": lambda z: z.writestr(
            "meta.npy", bytes(10_000_000), compress_type=zipfile.ZIP_DEFLATED
        ),
        "a member that is no array": lambda z: z.writestr("../../meta.npy", b"text"),
        "a later version of arrays": lambda z: z.writestr("meta.npy", b"\x93NUMPY\x02\x00" + huge),
        "nothing": lambda z: None,
    }
    for what, write in attacks.items():
        seal(path, write)
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(path)
        assert sorted(tmp_path.rglob("*")) == [tmp_path / "array", path], what


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i4", "c8", "U4", "M8[s]"])
def test_weights_of_another_type_are_refused(tmp_path, dtype):
    weights = {"Model/embedding": np.zeros(3, dtype)}
    save_checkpoint(tmp_path / "c.npz", dataclasses.replace(CHECKPOINT, weights=weights))
    with pytest.raises(ValueError, match="not float32"):
        load_checkpoint(tmp_path / "c.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("part", ["weights", "slots"])
def test_values_that_are_no_number_are_refused(tmp_path, part, value):
    array = np.array([1, value, 2], np.float32)
    save_checkpoint(tmp_path / "c.npz", dataclasses.replace(CHECKPOINT, **{part: {"b": array}}))
    with pytest.raises(ValueError, match=f"{part}/b has values that are no number or infinite"):
        load_checkpoint(tmp_path / "c.npz")


def test_a_file_larger_than_the_memory_is_refused_unread(tmp_path):
    with (tmp_path / "c.npz").open("wb") as file:
        file.truncate(1 << 43)
    with pytest.raises(ValueError, match="does not fit into memory"):
        load_checkpoint(tmp_path / "c.npz")


def test_a_link_in_the_place_of_a_temporary_file_is_not_written_through(tmp_path, path):
    (tmp_path / "precious").write_text("data")
    token = "0" * 32
    (tmp_path / f".c.npz.{token}").symlink_to("precious")
    with pytest.raises(FileExistsError):
        save_checkpoint(path, CHECKPOINT, token)
    assert (tmp_path / f".c.npz.{token}").is_symlink()
    save_checkpoint(path, CHECKPOINT)
    assert (tmp_path / "precious").read_text() == "data"
    assert load_checkpoint(path).progress == CHECKPOINT.progress


def test_the_first_bytes_say_which_run_it_is_of_and_nothing_else_does(tmp_path, path):
    run = "0123456789abcdef" * 4
    save_checkpoint(path, dataclasses.replace(CHECKPOINT, run=run))
    assert run_of(path) == run
    path.write_bytes(path.read_bytes()[:-100])
    assert run_of(path) == run
    for content in (b"", b"data", bytes(5000), path.read_bytes()[20:]):
        path.write_bytes(content)
        assert run_of(path) is None
        assert is_blank(path) == (not any(content))
    np.savez(path, meta=np.frombuffer(json.dumps({"format": 2}).encode(), "u1"))
    assert run_of(path) is None
    path.unlink()
    os.mkfifo(path)
    assert run_of(path) is None
    assert not is_blank(path)


def test_a_checkpoint_of_the_first_format_is_refused(tmp_path):
    text = np.frombuffer(json.dumps({"format": 1}).encode(), np.uint8)
    np.savez(tmp_path / "c.npz", meta=text)
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path / "c.npz")
