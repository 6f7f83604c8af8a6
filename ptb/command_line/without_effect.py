"""Refuses flags that would change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ptb.command_line.help import own_flags
from ptb.command_line.program import FLAGS


def refuse_without_effect(names: Iterable[str], where: str = "", without: str = "") -> None:
    """Raises ValueError if one of the flags `names` was given, which the command does not read.

    `where` completes "has no effect", as in "with --reader". `without` is the flag in place of
    which it is: one that these flags need, and that was not given.
    """
    where, remedy = (f"without {without}", "add that, or ") if without else (where, "")
    for name in names:
        if FLAGS[name].present:
            given = FLAGS[name].serialize()
            raise ValueError(
                f"{given} has no effect {where}: {remedy}leave out {given.partition('=')[0]}"
            )


def refuse_all_but(read: Collection[str], where: str) -> None:
    """Raises ValueError if any flag of the command but those in `read` was given."""
    refuse_without_effect((f.name for f in own_flags() if f.name not in read), where)
