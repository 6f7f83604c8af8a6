"""`--help`: the flags of a command in groups, without the flags of absl and TensorFlow."""

from __future__ import annotations

import contextlib
import sys
import textwrap
from collections.abc import Iterator

from absl import flags

WIDTH = 100
COLUMN = 30  # where the help of a flag begins
# What stands for the value of a flag, by the type of the flag.
VALUES = {"int": "N", "float": "X", "path": "PATH", "comma separated list of strings": "A,B,..."}
GROUP = "help_group"  # the attribute of a flag that names its group
LAST = "devices"  # the group that stands at the end


@contextlib.contextmanager
def flag_group(title: str) -> Iterator[None]:
    """Puts the flags that are defined inside into the group `title` of `--help`."""
    before = set(flags.FLAGS)
    yield
    for name in flags.FLAGS:
        if name not in before:
            setattr(flags.FLAGS[name], GROUP, title)


class HelpFlag(flags.BooleanFlag):
    """A flag that prints the help of the command on stdout and exits with status 0."""

    def __init__(self, name: str, short_name: str | None = None):
        super().__init__(name, False, "show this help", short_name, allow_override=True)

    def parse(self, argument) -> None:
        """Prints the help, unless the flag is given as `--nohelp` or `--help=false`."""
        if self._parse(argument):
            print(help_text())
            sys.stdout.flush()
            raise SystemExit(0)


def define_help_flags() -> None:
    """Replaces absl's `--help` and `--helpshort`, which list all flags by name."""
    flags.DEFINE_flag(HelpFlag("help", "h"))
    flags.DEFINE_flag(HelpFlag("helpshort"))


def help_text() -> str:
    """The docstring of the command, then its flags in groups, in the order of definition.

    Flags without a group, such as those of absl and TensorFlow, are left out.
    """
    program = sys.argv[0] if sys.argv[0].startswith("ptb ") else f"python3 {sys.argv[0]}"
    about = (sys.modules["__main__"].__doc__ or "").strip()
    lines = [f"usage: {program} [--flag=value ...]", "", about]
    for title, group in _groups().items():
        lines += ["", f"{title}:", *(line for flag in group for line in _lines(flag))]
    foot = (
        "--flagfile=FILE reads flags from a file, one on each line. --helpfull adds the flags of "
    )
    return "\n".join([*lines, "", *textwrap.wrap(foot + "absl and TensorFlow.", WIDTH)])


def own_flags() -> list[flags.Flag]:
    """The flags with a group, in the order of definition: none of absl's or TensorFlow's."""
    found = ((name, flags.FLAGS[name]) for name in flags.FLAGS)
    return [flag for name, flag in found if name == flag.name and hasattr(flag, GROUP)]


def _groups() -> dict[str, list[flags.Flag]]:
    groups: dict[str, list[flags.Flag]] = {}
    for flag in own_flags():
        groups.setdefault(getattr(flag, GROUP), []).append(flag)
    return {title: groups[title] for title in sorted(groups, key=LAST.__eq__)}


def _lines(flag: flags.Flag) -> list[str]:
    """The entry of a flag: name, value, purpose and default, in lines of at most `WIDTH`."""
    value = VALUES.get(flag.flag_type(), "VALUE")
    name = f"  --[no]{flag.name}" if flag.boolean else f"  --{flag.name}={value}"
    text = textwrap.wrap(_help_of(flag), WIDTH - COLUMN, break_on_hyphens=False)
    if len(name) < COLUMN - 1:
        return [name.ljust(COLUMN) + text[0], *(" " * COLUMN + line for line in text[1:])]
    return [name, *(" " * COLUMN + line for line in text)]


def _help_of(flag: flags.Flag) -> str:
    """The purpose, choices and default of a flag. A default in the text of the flag comes first."""
    does, _, default = flag.help.partition(" Default: ")
    if isinstance(flag.parser, flags.EnumParser):
        # absl puts the choices before the help.
        choices = flag.parser.enum_values
        does = f"{does.removeprefix(f'<{chr(124).join(choices)}>: ')} One of: {', '.join(choices)}."
    return f"{does} Default: {default or f'{_shown(flag.default)}.'}"


def _shown(default) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return ",".join(default) if isinstance(default, list) else str(default)
