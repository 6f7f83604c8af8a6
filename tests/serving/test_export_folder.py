import pytest

from ptb.serving.export_folder import EXPORT, UNFINISHED, VOCABULARY, check_own


def test_what_a_killed_export_leaves_is_no_reason_to_refuse_the_folder(tmp_path):
    left = tmp_path / f"{UNFINISHED}abc"
    (left / EXPORT).mkdir(parents=True)
    (left / f"{VOCABULARY}def").mkdir()
    check_own(tmp_path)
    (left / "export-notes.txt").write_text("")
    with pytest.raises(ValueError, match="did not make"):
        check_own(tmp_path)
