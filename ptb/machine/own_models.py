"""Whether `import models` finds the package that was installed with this one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

OWN = Path(__file__).parents[2] / "models"


def check_own_models() -> None:
    """Raises ImportError if another module has the name `models`, such as a user's `models.py`.

    Imports nothing.
    """
    spec = getattr(sys.modules.get("models"), "__spec__", None)
    if spec is None and "models" not in sys.modules:
        spec = importlib.util.find_spec("models")
    found = (spec and spec.origin) or getattr(sys.modules.get("models"), "__file__", None)
    if found and Path(found).resolve().parent == OWN.resolve():
        return
    raise ImportError(
        f"ptb needs its own package `models` in {OWN.parent}, and Python finds "
        f"{found or 'none'} in its place: rename that file, or start from another folder",
        name="models",
        path=found,
    )
