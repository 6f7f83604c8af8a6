"""The folder of an export (`--export_path`): its versions `1`, `2`, ..., and nothing of others."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from ptb.machine.own_folder import refuse_foreign
from ptb.serving.client import is_export, versions

# A version is written in a folder whose name begins so, and then renamed.
UNFINISHED = ".new-"
# What is in such a folder: the version, and a folder with the vocabulary until that is written.
EXPORT, VOCABULARY = "export", "vocabulary-"
ABANDONED_SECONDS = 24 * 3600  # an export takes minutes


def make_export_folder(path: str | Path) -> Path:
    """Makes the folder if it does not exist, and removes what exports left that were killed.

    Raises ValueError if it cannot be made, or has something in it but no export.
    """
    folder = Path(path)
    try:
        check_own(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.iterdir():
            with contextlib.suppress(OSError):  # of another user
                is_old = time.time() - left.stat().st_mtime > ABANDONED_SECONDS
                if is_old and _is_unfinished(left):
                    shutil.rmtree(left, ignore_errors=True)
        # Found out now, and not after the evaluation.
        tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED).cleanup()
    except OSError as error:
        raise ValueError(
            f"export_path {str(folder)!r} cannot be written ({error.strerror}): give another folder"
        ) from None
    return folder


def check_own(folder: Path) -> None:
    """Raises ValueError if the folder is not empty and has no version of an export."""
    if folder.is_dir() and any(map(is_export, versions(folder).values())):
        return
    refuse_foreign(folder, f"export_path {str(folder)!r}", _is_unfinished)


def _is_unfinished(path: Path) -> bool:
    """Whether it is what an export leaves that was killed before its version had a number."""
    if not path.name.startswith(UNFINISHED) or path.is_symlink() or not path.is_dir():
        return False
    names = {child.name for child in path.iterdir()} - {EXPORT}
    return all(name.startswith(VOCABULARY) for name in names)
