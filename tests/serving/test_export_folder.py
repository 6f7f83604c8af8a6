import os
import time

import pytest

from ptb.serving.export_folder import (
    ABANDONED_SECONDS,
    EXPORT,
    UNFINISHED,
    VOCABULARY,
    check_own,
    make_export_folder,
)


def test_what_a_killed_export_leaves_is_no_reason_to_refuse_the_folder(tmp_path):
    left = tmp_path / f"{UNFINISHED}abc"
    (left / EXPORT).mkdir(parents=True)
    (left / f"{VOCABULARY}def").mkdir()
    check_own(tmp_path)
    (left / "export-notes.txt").write_text("")
    with pytest.raises(ValueError, match="did not make"):
        check_own(tmp_path)


def test_what_killed_exports_left_is_removed_a_day_later(tmp_path):
    for name, age in (("old", ABANDONED_SECONDS + 60), ("running", 60), ("notes", 10**6)):
        left = tmp_path / f"{UNFINISHED}{name}"
        (left / (EXPORT if name != "notes" else "mine")).mkdir(parents=True)
        os.utime(left, (time.time() - age,) * 2)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    (tmp_path / "1" / "model_card.json").write_text("{}")
    make_export_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"1", ".new-running", ".new-notes"}
