import json
import os
import shutil
import unicodedata

import numpy as np
import pytest

from ptb.data import cache, corpus, text
from ptb.data.options import TextOptions


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A text that is long enough to be kept."""
    monkeypatch.setattr(cache, "MIN_BYTES", 10)
    folder = tmp_path / "text"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.txt").write_text(f"the cat sat\nthe {split} ran\n")
    return folder


@pytest.fixture
def readings(monkeypatch):
    """The names of the files that are read, as they are read."""
    names, read = [], text.read
    monkeypatch.setattr(
        text, "read", lambda path, *rest: names.append(path.name) or read(path, *rest)
    )
    return names


def load(folder, **options):
    return corpus.load_text(folder, cache_dir=folder.parent / "cache", **options)


def entries(folder):
    return sorted((folder.parent / "cache").iterdir())


def test_the_second_start_reads_no_text_and_gives_the_same(folder, readings):
    first = load(folder)
    assert readings == ["train.txt", "valid.txt", "test.txt"]
    second = load(folder)
    assert len(readings) == 3
    assert second.fingerprint == first.fingerprint
    assert (second.summary, second.source, second.name) == (
        first.summary,
        first.source,
        first.name,
    )
    assert [ids.dtype for ids in second.splits.values()] == [np.int32] * 3


def test_another_text_or_other_settings_are_read_anew(folder, readings):
    load(folder)
    load(folder, options=TextOptions(tokens="char"))
    load(folder, options=TextOptions(lowercase=True))
    load(folder, vocab_size=3)
    load(folder, vocabulary=load(folder).vocabulary)
    (folder / "test.txt").write_text("the cat sat\nthe test ran!\n")
    load(folder)
    assert len(readings) == 6 * 3
    assert len(entries(folder)) == 6


def test_a_text_is_read_anew_where_another_unicode_may_cut_it_elsewhere(
    folder, readings, monkeypatch
):
    for version in ("14.0.0", "15.0.0"):
        monkeypatch.setattr(unicodedata, "unidata_version", version)
        load(folder, options=TextOptions(tokens="wordpunct"))
        load(folder)
    assert len(readings) == (2 + 1) * 3


def test_the_contents_count_and_not_the_name(folder, readings):
    load(folder)
    moved = folder.rename(folder.parent / "moved")
    assert load(moved).name == "moved"
    assert len(readings) == 3


def replace(path, before, after):
    path.write_bytes(path.read_bytes().replace(before, after, 1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / "train.npy").write_bytes(b""),
        lambda entry: np.save(entry / "train.npy", np.zeros(8, np.int32)),
        lambda entry: (entry / "train.npy").unlink(),
        lambda entry: (entry / "meta.json").write_text("[]"),
        lambda entry: (entry / "meta.json").write_text('{"summary": {"train": 3}}'),
        lambda entry: (entry / "vocabulary.txt").write_text("other\nwords\n"),
        lambda entry: np.save(entry / "train.npy", np.array([{}]), allow_pickle=True),
        # NumPy's reader has errors of its own for these: of its header, and of an archive.
        lambda entry: replace(entry / "train.npy", b"}", b" "),
        lambda entry: replace(entry / "train.npy", b"\x93NUM", b"PK\x03\x04"),
    ],
)
def test_a_damaged_entry_is_ignored_and_made_again(folder, readings, damage):
    first = load(folder)
    (entry,) = entries(folder)
    damage(entry)
    assert load(folder).fingerprint == first.fingerprint
    assert len(readings) == 6
    load(folder)
    assert len(readings) == 6


def test_a_text_that_changes_while_it_is_read_and_back_leaves_no_wrong_entry(folder, monkeypatch):
    train, read = folder / "train.txt", text.read
    before = train.read_bytes()

    def read_another(path, *rest):
        train.write_text("the other\nthe other\n")
        return read(path, *rest)

    monkeypatch.setattr(text, "read", read_another)
    read_then = load(folder)
    train.write_bytes(before)
    monkeypatch.setattr(text, "read", read)
    assert load(folder).fingerprint != read_then.fingerprint
    assert "other" not in load(folder).vocabulary


def test_notes_are_kept(folder):
    (folder / "valid.txt").write_text("the cat <eos>\n")
    notes = load(folder).notes
    assert load(folder).notes == notes
    assert [note.startswith("valid.txt: ") for note in notes].count(True) == 1
    # The same text elsewhere is the same entry, and no note names the first place.
    assert load(shutil.copytree(folder, folder.with_name("elsewhere"))).notes == notes


def test_nothing_half_written_is_left(folder):
    load(folder)
    (entry,) = entries(folder)
    names = ["meta.json", "test.npy", "train.npy", "valid.npy", "vocabulary.txt"]
    assert sorted(path.name for path in entry.iterdir()) == names
    assert json.loads((entry / "meta.json").read_text())["name"] == "text"


def test_a_cache_that_cannot_be_written_is_done_without(folder):
    (folder.parent / "cache").write_text("a file where the folder should be")
    assert load(folder).summary["train"].tokens == 8


def test_a_short_text_and_no_folder_mean_no_entry(folder, monkeypatch):
    monkeypatch.setattr(cache, "MIN_BYTES", 1000)
    load(folder)
    assert not (folder.parent / "cache").exists()
    corpus.load_text(folder, cache_dir="")


def test_a_user_without_a_home_has_no_default_folder(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without HOME and name
    assert cache.default_folder() is None


def test_the_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / "ptb-lm"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / ".cache" / "ptb-lm"


def test_nothing_is_put_beside_other_files_and_those_in_an_entry_stay(folder, readings):
    load(folder)
    (entry,) = entries(folder)
    (entry / "notes").write_text("mine")
    (entry / "meta.json").write_text("[]")
    load(folder)
    assert [path.name for path in entry.iterdir()] == ["notes"]
    other = folder.parent / "other"
    other.mkdir()
    (other / "notes").write_text("mine")
    corpus.load_text(folder, cache_dir=other)
    assert [path.name for path in other.iterdir()] == ["notes"]
