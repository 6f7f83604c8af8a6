"""Which run a folder holds, and whether another start may resume it."""

import dataclasses

import pytest

from ptb.data import corpus
from ptb.data.options import TextOptions, parse_shares
from ptb.runs.identity import (
    check_meant,
    describe,
    differences,
    in_words,
    open_run,
    refuse_another_run,
    run_id,
)
from ptb.runs.run_folder import RunFolder
from ptb.training.config import Config

CONFIG = Config(hidden_size=2, num_layers=1, num_epochs=2)
TEXT = corpus.built_in()


def start(path, config, text):
    """Opens the folder as a start of the run does, and writes what that begins with."""
    folder = RunFolder(path)
    description, _ = open_run(folder, describe(config, text), print)
    folder.start(description, text.vocabulary.to_text())
    folder.release()
    return RunFolder(path)


def test_a_run_that_an_earlier_version_began_keeps_its_name_so_that_its_checkpoints_are_used(
    tmp_path,
):
    """An earlier version has fewer fields in its config than this one."""
    earlier = dataclasses.asdict(CONFIG) | {"num_epochs": 1}
    del earlier["ema_momentum"]
    begun = {"fingerprint": TEXT.fingerprint}
    RunFolder(tmp_path).start({"config": earlier, "corpus": begun}, TEXT.vocabulary.to_text())
    name = RunFolder(tmp_path).run_id
    folder = start(tmp_path, CONFIG, TEXT)
    assert folder.run_id == name
    assert folder.description()["config"] == earlier | {"num_epochs": 2}


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({"num_epochs": 9}, True),
        ({"seed": 2}, False),
        ({"schedule": "linear"}, False),
        ({"ema_momentum": 0.5}, False),
    ],
)
def test_two_runs_have_one_name_if_and_only_if_they_do_not_differ(changes, is_same):
    one = describe(CONFIG, TEXT)
    other = describe(dataclasses.replace(CONFIG, **changes), TEXT)
    assert (differences(one, other) == []) == is_same
    assert (run_id(one) == run_id(other)) == is_same
    for name, value in {} if is_same else changes.items():
        assert differences(one, other) == [f"{name} was {one['config'][name]} and is now {value}"]


def test_the_epochs_of_a_linear_schedule_are_part_of_the_run():
    config = dataclasses.replace(CONFIG, schedule="linear")
    one, more = (describe(dataclasses.replace(config, num_epochs=n), TEXT) for n in (2, 3))
    assert differences(one, more) == ["num_epochs was 2 and is now 3"]
    assert run_id(one) != run_id(more)


def test_a_run_is_resumed_with_its_text_at_another_place_which_is_then_remembered(tmp_path):
    lines = "".join(f"a b c {i % 7}\n" for i in range(400))
    for place in ("old", "new"):
        (tmp_path / place).mkdir()
        for split in corpus.SPLITS:
            (tmp_path / place / f"{split}.txt").write_text(lines)
    sources = []
    for place in ("old", "new"):
        folder = start(tmp_path / "run", CONFIG, corpus.load_text(tmp_path / place))
        sources.append(folder.description()["corpus"]["source"])
    assert [source["data_path"] for source in sources] == [
        str(tmp_path / place) for place in ("old", "new")
    ]
    assert sources[0] | {"data_path": ""} == sources[1] | {"data_path": ""}
    assert folder.description()["corpus"]["name"] == "old"


@pytest.mark.parametrize(
    ("options", "changes", "said"),
    [
        (TextOptions("char"), {}, "run: tokens was word and is now char: give"),
        (TextOptions(lowercase=True), {}, "run: lowercase was False and is now True: give"),
        (TextOptions(min_count=99), {}, "run: min_count was the default and is now 99: give"),
        (TextOptions(), {"test": ""}, "the text had train, valid, test and has now train, valid:"),
        (TextOptions(), {"valid": "c b A\n"}, r"\(other tokens in valid\)"),
        (TextOptions("char"), {"valid": "c b A\n"}, "run: tokens was word and is now char: give"),
    ],
)
def test_another_text_is_told_by_how_it_is_read_or_by_its_splits(tmp_path, options, changes, said):
    lines = "".join(f"A b c {i % 7 // 6}\n" for i in range(400))
    for split in corpus.SPLITS:
        (tmp_path / f"{split}.txt").write_text(lines)
    start(tmp_path / "run", CONFIG, corpus.load_text(tmp_path))
    for split, content in changes.items():
        (tmp_path / f"{split}.txt").write_text(content * 400)
    left_out = [split for split, content in changes.items() if not content]
    kept = tuple(split for split in corpus.SPLITS if split not in left_out)
    with pytest.raises(ValueError, match=said):
        start(tmp_path / "run", CONFIG, corpus.load_text(tmp_path, splits=kept, options=options))


@pytest.mark.parametrize("now", ["80,10,10", "90,5,5"])
def test_another_cut_of_one_file_is_told_by_its_shares(tmp_path, now):
    path = tmp_path / "book.txt"
    path.write_text("".join(f"a b c {i % 7}\n" for i in range(400)))
    start(tmp_path / "run", CONFIG, corpus.load_text(path))
    options = TextOptions(shares=parse_shares(now))
    path.write_text("".join(f"a b c {i % 7}\n" for i in range(410)))
    with pytest.raises(ValueError, match="holds another run") as caught:
        start(tmp_path / "run", CONFIG, corpus.load_text(path, options=options))
    assert ("split was 90,5,5 and is now 80,10,10" in str(caught.value)) is (now == "80,10,10")


def test_what_changes_on_purpose_keeps_the_run_its_name_and_is_recorded(tmp_path):
    name = start(tmp_path, CONFIG, TEXT).run_id
    slower = dataclasses.replace(CONFIG, learning_rate=0.1, keep_prob=0.5)
    for meant in (), ("learning_rate",):
        with pytest.raises(ValueError, match=r"keep_prob was 1.0 and is now 0.5") as error:
            open_run(RunFolder(tmp_path), describe(slower, TEXT), print, meant)
        assert "--change=learning_rate,keep_prob if" in str(error.value)
    folder = RunFolder(tmp_path)
    meant = ("learning_rate", "keep_prob")
    description, changed = open_run(folder, describe(slower, TEXT), print, meant)
    folder.start(description, TEXT.vocabulary.to_text())
    folder.release()
    assert changed == {"learning_rate": (1.0, 0.1), "keep_prob": (1.0, 0.5)}
    assert in_words(changed) == [
        "learning_rate was 1.0 and is now 0.1",
        "keep_prob was 1.0 and is now 0.5",
    ]
    saved = RunFolder(tmp_path).description()
    assert saved["changes"] == [
        {
            "was": {"learning_rate": 1.0, "keep_prob": 1.0},
            "now": {"learning_rate": 0.1, "keep_prob": 0.5},
        }
    ]
    assert (saved["config"]["learning_rate"], saved["config"]["keep_prob"]) == (0.1, 0.5)
    assert RunFolder(tmp_path).run_id == name
    # From now on, this is the run, and its epochs are its own.
    assert start(tmp_path, dataclasses.replace(slower, num_epochs=9), TEXT).run_id == name


@pytest.mark.parametrize("num_epochs", [1, 5])
def test_epochs_that_are_named_as_changed_are_recorded_on_every_schedule(tmp_path, num_epochs):
    name = start(tmp_path, CONFIG, TEXT).run_id
    other = describe(dataclasses.replace(CONFIG, num_epochs=num_epochs), TEXT)
    folder = RunFolder(tmp_path)
    description, changed = open_run(folder, other, print, ("num_epochs",))
    folder.release()
    assert changed == {"num_epochs": (2, num_epochs)}
    assert description["changes"] == [{"was": {"num_epochs": 2}, "now": {"num_epochs": num_epochs}}]
    assert description["config"]["num_epochs"] == num_epochs
    assert run_id(description) == name


def test_a_linear_schedule_gets_more_epochs_if_that_is_meant(tmp_path):
    config = dataclasses.replace(CONFIG, schedule="linear")
    name = start(tmp_path, config, TEXT).run_id
    more = describe(dataclasses.replace(config, num_epochs=5), TEXT)
    folder = RunFolder(tmp_path)
    description, changed = open_run(folder, more, print, ("num_epochs",))
    folder.release()
    assert changed == {"num_epochs": (2, 5)}
    assert description["config"]["num_epochs"] == 5
    assert run_id(description) == name


def test_a_schedule_that_becomes_linear_has_the_epochs_of_that_start(tmp_path):
    start(tmp_path, dataclasses.replace(CONFIG, num_epochs=4), TEXT)
    linear = describe(dataclasses.replace(CONFIG, num_epochs=3, schedule="linear"), TEXT)
    folder = RunFolder(tmp_path)
    description, changed = open_run(folder, linear, print, ("schedule",))
    folder.start(description, TEXT.vocabulary.to_text())
    folder.release()
    assert changed == {"schedule": ("step", "linear"), "num_epochs": (4, 3)}
    saved = RunFolder(tmp_path).description()
    assert saved["config"]["num_epochs"] == 3
    assert saved["changes"][0]["was"] == {"schedule": "step", "num_epochs": 4}
    assert differences(saved, linear) == []


def test_what_a_weight_depends_on_cannot_change(tmp_path):
    with pytest.raises(ValueError, match="change=hidden_size: within"):
        check_meant(["learning_rate", "hidden_size"])
    start(tmp_path, CONFIG, TEXT)
    larger = describe(dataclasses.replace(CONFIG, hidden_size=9), TEXT)
    with pytest.raises(ValueError, match="hidden_size was 2 and is now 9") as error:
        open_run(RunFolder(tmp_path), larger, print, ("learning_rate",))
    assert "--change" not in str(error.value)


@pytest.mark.parametrize(("now", "named"), [({"model": "small"}, True), ({}, False)])
def test_another_preset_is_named_if_both_are_known(tmp_path, now, named):
    folder = RunFolder(tmp_path)
    folder.description = lambda: describe(CONFIG, TEXT, {"model": "fast"})
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="hidden_size was 2 and is now 9") as error:
        refuse_another_run(folder, describe(dataclasses.replace(CONFIG, hidden_size=9), TEXT, now))
    assert ("--model=fast" in str(error.value)) is named
    assert "None" not in str(error.value)
