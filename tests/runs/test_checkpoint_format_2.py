"""A run that an older version saved is read, resumed, evaluated and exported; damage is named."""

import dataclasses
import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.tf1_names import weight_name
from ptb.runs.checkpoint import load_checkpoint, run_id_of
from ptb.runs.checkpoint_folder import CheckpointFolder
from ptb.runs.run_folder import RunFolder
from ptb.runs.trained_model import load_run
from tests.faults import harness
from tests.forked import run

FORMAT_2 = Path(__file__).parents[1] / "format_2"
BEST = FORMAT_2 / "run" / "checkpoints" / "best.npz"


def sealed(path, write):
    """An archive from untrusted hands, whose checksum is right."""
    with path.open("w+b") as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.comment = b"0" * 64
            write(archive)
        file.seek(0)
        content = file.read()[:-64]
        file.seek(len(content))
        file.write(hashlib.sha256(content).hexdigest().encode())
    return path


def write_format_2(path, checkpoint):
    """A checkpoint as older versions wrote it."""
    meta = {"format": 2, "run": checkpoint.run_id}
    meta |= {"progress": dataclasses.asdict(checkpoint.progress)}
    arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    arrays |= {f"weights/{name}": value for name, value in checkpoint.weights.items()}
    arrays |= {f"slots/{name}": value for name, value in checkpoint.slots.items()}
    arrays |= {f"state/{i:03}": value for i, value in enumerate(checkpoint.state)}

    def write(archive):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

    sealed(path, write)


def test_all_of_a_checkpoint_is_read_to_the_bit():
    loaded = load_checkpoint(BEST)
    assert run_id_of(BEST) == loaded.run_id == RunFolder(FORMAT_2 / "run").run_id
    assert (loaded.progress.epoch, loaded.progress.best_epoch) == (1, 1)
    parts = {"weights": loaded.weights, "slots": loaded.slots}
    parts["state"] = {f"{i:03}": state for i, state in enumerate(loaded.state)}
    read = {f"{part}/{name}": a for part, arrays in parts.items() for name, a in arrays.items()}
    with np.load(BEST, allow_pickle=False) as archive:
        saved = {name: archive[name] for name in archive.files if name != "meta"}
    saved = {
        f"{part}/{weight_name(name) if part == 'weights' else name}": array
        for (part, _, name), array in ((key.partition("/"), array) for key, array in saved.items())
    }
    assert read.keys() == saved.keys()
    for name, array in saved.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype


def test_the_best_and_the_latest_weights_of_an_old_run_are_loaded():
    best, latest = (load_run(FORMAT_2 / "run", which) for which in ("best", "latest"))
    assert best.report.valid_perplexity == 8.859449627179997
    assert re.fullmatch("run, epoch 2 after [0-9]+ windows", latest.name)
    assert best.weights.keys() == latest.weights.keys()


@pytest.fixture
def folder(tmp_path):
    """A copy of the old run's checkpoints, and its two numbered ones."""
    path = shutil.copytree(BEST.parent, tmp_path / "checkpoints")
    return CheckpointFolder(path, run_id_of(BEST))


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


def test_old_checkpoints_age_out_as_others_do_and_new_ones_count_on(folder):
    checkpoint = load_checkpoint(BEST)
    folder.save(checkpoint, keep=2)
    assert names(folder) == ["00000023.npz", "00000024.safetensors", "best.npz"]
    folder.save(checkpoint, keep=2)
    assert names(folder) == ["00000024.safetensors", "00000025.safetensors", "best.npz"]
    folder.save_best(checkpoint)
    assert names(folder) == ["00000024.safetensors", "00000025.safetensors", "best.safetensors"]


def test_the_newer_of_both_formats_is_the_newest_and_todays_best_the_best(folder):
    refuse = pytest.fail
    assert folder.newest(refuse, refuse).progress.window > 0
    checkpoint = load_checkpoint(BEST)
    later = dataclasses.replace(checkpoint.progress, rollbacks=1, rate_factor=0.5)
    folder.save(dataclasses.replace(checkpoint, progress=later), keep=9)
    assert folder.newest(refuse, refuse).progress == later
    before = BEST.read_bytes()
    folder.save_best(dataclasses.replace(checkpoint, progress=later))
    (folder.path / "best.npz").write_bytes(before)  # as a kill leaves it
    assert folder.best().progress == later


def test_another_runs_old_files_stay(folder):
    other = CheckpointFolder(folder.path, "0" * 64)
    before = names(folder)
    checkpoint = dataclasses.replace(load_checkpoint(BEST), run_id="0" * 64)
    with pytest.raises(OSError, match=r"best\.npz is not a checkpoint"):
        other.save_best(checkpoint)
    other.save(checkpoint, keep=1)
    other.save(checkpoint, keep=1)
    assert names(folder) == [*before[:2], "00000025.safetensors", "best.npz"]
    assert other.set_aside(folder.path / "00000022.npz") is None


def test_any_flipped_bit_and_any_lost_byte_is_noticed(folder):
    path = folder.path / "best.npz"
    whole = path.read_bytes()
    for place in range(0, len(whole), 397):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(ValueError, match=r"best\.npz .*damaged"):
            load_checkpoint(path)
    for length in range(0, len(whole), 997):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(path)
        assert run_id_of(path) == (folder._run_id if length > 300 else None)
    path.write_bytes(bytes(len(whole)))
    assert folder.set_aside(path).name == "damaged-best.npz"


def array_bytes(tmp_path, array, allow_pickle=False):
    with (tmp_path / "array").open("wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=allow_pickle)
    return (tmp_path / "array").read_bytes()


@pytest.mark.parametrize(
    "meta",
    [
        *(b"", b"[]", b"[" * 100_000, b'{"format": 2}'),
        *(b'{"format": 1, "progress": {}}', b'{"format": 2, "progress": {"reports": 7}}'),
    ],
)
def test_a_sealed_meta_that_is_none_is_refused(tmp_path, meta):
    content = array_bytes(tmp_path, np.frombuffer(meta, "u1"))
    path = sealed(tmp_path / "c.npz", lambda archive: archive.writestr("meta.npy", content))
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(path)


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
        sealed(path, write)
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(path)
        assert sorted(tmp_path.rglob("*")) == [tmp_path / "array", path], what


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i4", "c8", "U4", "M8[s]"])
def test_weights_of_another_type_are_refused(tmp_path, dtype):
    weights = {"Model/embedding": np.zeros(3, dtype)}
    path = tmp_path / "c.npz"
    write_format_2(path, dataclasses.replace(load_checkpoint(BEST), weights=weights))
    with pytest.raises(ValueError, match="float32"):
        load_checkpoint(path)


@pytest.mark.slow
def test_an_old_run_is_evaluated_exported_and_resumed_to_the_same_figures(tmp_path):
    harness.write_text(tmp_path)
    path = shutil.copytree(FORMAT_2 / "run", tmp_path / "run")
    result = run("evaluate.py", "--save_path=run", "--split=valid", "--json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    # With one row; the run's own figure is of more.
    assert json.loads(result.stdout)["perplexity"] == pytest.approx(8.86, abs=0.05)
    result = run("ptb export", "--save_path=run", "--export_path=out", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    command = json.loads((path / "config.json").read_text())["command"].split()
    flags = [flag for flag in command if flag.startswith("--") and "save_path" not in flag]
    result = run("train.py", *flags, "--save_path=run", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (path / "checkpoints" / "best.safetensors").exists()
    assert not list((path / "checkpoints").glob("*.npz"))
    # Of a resumed run with averages the valid perplexity differs: they had more of the first steps
    # then.
    trained = (0, 1, 2, 4)
    figures = [
        np.loadtxt(table, delimiter=",", skiprows=1, usecols=trained)
        for table in (path / "metrics.csv", FORMAT_2 / "finished.csv")
    ]
    np.testing.assert_allclose(*figures, rtol=1e-5)
