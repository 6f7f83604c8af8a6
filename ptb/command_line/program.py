"""Runs a command: parses the flags, and reports wrong input on one line."""

from __future__ import annotations

import contextlib
import errno
import logging
import math
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from absl import app, flags

from ptb.command_line.flag_files import expand_flag_files
from ptb.command_line.help import define_help_flags, own_flags
from ptb.command_line.paths import checked_path
from ptb.command_line.streams import OUTPUT, discard_output, prepare_streams
from ptb.command_line.temporary import choose_temporary_folder
from ptb.machine import strict_json
from ptb.machine.child import ChildFailed
from ptb.machine.escape import escape
from ptb.machine.memory import ran_out, there_is
from ptb.machine.own_folder import PNG, refuse_other_content
from ptb.machine.system import STOP_SIGNALS, ends_at_once

SIGPIPE = 13  # not among `signal`'s names on Windows
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
FLAGS = flags.FLAGS
# Flags of the TensorFlow 1 tutorial that have another name here.
OF_THE_TUTORIAL = {
    "max_epoch": "--constant_epochs",
    "max_max_epoch": "--num_epochs",
    "lr_decay": "--learning_rate_decay",
    "num_gpus": "--distribution=mirrored and --num_devices",
    "use_fp16": "--precision=mixed_float16",
}
# Of these, the tutorial's defaults, which are the defaults here.
ITS_DEFAULTS = ("--nouse_fp16", "--use_fp16=False", "--use_fp16=false", "--num_gpus=1")


def run_tool(main: Callable[[list[str]], int | None]) -> None:
    """Runs a command that takes file names among its flags; `main` gets the list of names."""

    def main_of_paths(names: list[str]) -> int | None:
        with user_errors():
            paths = [_checked_argument(name) for name in names]
        return main(paths)

    FLAGS.set_gnu_getopt(True)
    run(main_of_paths, takes_arguments=True)


def run(main: Callable[..., int | None], takes_arguments: bool = False) -> None:
    """Parses the flags and runs `main`; reports bad flags on one line.

    An argument that is not a flag is an error, unless `takes_arguments`: `main` then gets the list
    of arguments.
    """

    prepare_streams()
    _prepare_surroundings()
    for number in STOP_SIGNALS:  # Python itself handles SIGINT
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _unwind)

    def parse(argv):
        define_help_flags()
        try:
            rest = FLAGS([argv[0], *expand_flag_files(argv[1:])])
        except flags.UnrecognizedFlagError as error:
            fail(_of_the_tutorial(error) or _with_similar_names(error))
        except (flags.Error, ValueError) as error:
            fail(_without_python(" ".join(str(error).split())))
        if rest[1:] and not takes_arguments:
            fail(f"{rest[1]!r} is not a flag: write --name=value")
        for flag in own_flags():  # absl's bounds let NaN pass
            if isinstance(flag.value, float) and not math.isfinite(flag.value):
                fail(f"--{flag.name}={flag.value} is not a finite number: give one")
        return rest

    def print_all(argv):
        status = main(*[argv[1:]] * takes_arguments)
        sys.stdout.flush()
        return status

    try:
        app.run(print_all, flags_parser=parse)
    except KeyboardInterrupt:
        print("\ninterrupted: saved files are intact", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except OSError as error:
        if not _is_of_output(error):
            if error.errno not in NO_ROOM:
                raise
            file = "a file" if error.filename is None else repr(str(error.filename))
            fail(f"{file} cannot be written ({error.strerror}): make room, and try again")
        discard_output()
        if error.errno == errno.EPIPE:
            raise SystemExit(128 + SIGPIPE) from None
        fail(f"{OUTPUT} cannot be written ({error.strerror}): saved files are intact")
    except ChildFailed as error:
        fail(str(error))  # the child has printed its own traceback
    except Exception as error:
        if not ran_out(error):
            raise
        fail(
            f"out of memory ({type(error).__name__}): {there_is()}; give smaller "
            "sizes, or raise the limit"
        )


def _prepare_surroundings() -> None:
    """Prepares for a container without a home folder or a writable disk."""
    choose_temporary_folder()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it logs every folder that it lacks


def _unwind(number, frame) -> None:
    """Handles SIGTERM and SIGHUP: exits through `finally` blocks, which remove temporary files.

    As in training, a later SIGTERM ends the process at once, and a later SIGHUP does nothing.
    """
    began = time.monotonic()

    def once_more(number, frame):
        if ends_at_once(number, began):
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for each in STOP_SIGNALS:
        if signal.getsignal(each) is _unwind:
            signal.signal(each, once_more)
    raise SystemExit(128 + number)


def _checked_argument(name: str) -> str:
    try:
        return checked_path(name)
    except ValueError as error:
        raise ValueError(f"{name!r} {error}") from None


@contextlib.contextmanager
def user_errors():
    """Turns the ValueErrors of checks and readers into one line on stderr and exit status 1."""
    try:
        yield
    except OSError as error:
        if _is_of_output(error) or error.errno in NO_ROOM:
            raise  # `run` knows what to do
        if error.filename is None:
            fail(str(error))
        fail(f"{str(error.filename)!r} cannot be read or written ({error.strerror})")
    except ValueError as error:
        fail(str(error))


def _is_of_output(error: OSError) -> bool:
    """Whether the error comes from printing: the reader of a pipe has gone, or a disk is full."""
    return error.filename == OUTPUT


def check_output_files(*names: str) -> None:
    """Raises ValueError if the file of a flag cannot be written, before the work begins."""
    files: dict[str, str] = {}
    for name in names:
        path = FLAGS[name].value
        if path is not None:
            other = files.setdefault(os.path.realpath(path), name)
            if other != name:
                raise ValueError(f"--{name}={path} is the file of --{other}: give another name")
            check_output_file(path, f"--{name}={path}", b"{" if name == "json" else PNG)


def write_json(result: dict) -> None:
    """Writes what a command found to the file that --json names, if it names one."""
    if FLAGS.json:
        with user_errors():
            strict_json.write(Path(FLAGS.json), result)


def check_output_file(path: str, named: str, begins: bytes) -> None:
    """Raises ValueError if a file cannot be written; `named` is its name in the message.

    A file that exists must begin with the bytes `begins`: otherwise this program did not write it.
    """
    # What is renamed to a link or a device takes its place.
    no_file = os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path))
    if not os.path.isdir(os.path.dirname(path) or ".") or no_file:
        raise ValueError(f"{named} cannot be written: give a file in a folder that exists")
    refuse_other_content(Path(path), named, begins)
    try:
        tempfile.TemporaryFile(dir=os.path.dirname(path) or ".").close()
    except OSError as error:
        raise ValueError(
            f"{named} cannot be written ({error.strerror}): give a file in another folder"
        ) from None


def typed_command() -> str:
    """The command line of this process, as a user can type it again."""
    program = sys.argv[0].split() if sys.argv[0].startswith("ptb ") else None
    return shlex.join([*(program or ["python3", os.path.basename(sys.argv[0])]), *sys.argv[1:]])


def command_to_type(name: str, *arguments: str) -> str:
    """A command of this project, as a user can type it on this machine."""
    program = ["ptb"] if shutil.which("ptb") else ["python3", "-m", "ptb"]
    return shlex.join([*program, name, *arguments])


def _of_the_tutorial(error: flags.UnrecognizedFlagError) -> str | None:
    """The message for a flag that only the tutorial has; None for any other."""
    given = error.flagvalue
    if given in ITS_DEFAULTS:
        return f"{given} is the tutorial's name of what is the default here: leave it out"
    if error.flagname not in OF_THE_TUTORIAL:
        return None
    new = OF_THE_TUTORIAL[error.flagname]
    return f"--{error.flagname} is the tutorial's name: give {new} (docs/from_tf1.md)"


def _with_similar_names(error: flags.UnrecognizedFlagError) -> str:
    """The message for an unknown flag, with the flags whose names have it as a part."""
    message = " ".join(str(error).split())
    if "Did you mean" in message:
        return message
    part = error.flagname.lower().replace("-", "_")
    similar = sorted(flag.name for flag in own_flags() if part in flag.name)
    if similar:
        message += f". Did you mean: {', '.join(similar)} ?"
    return f"{message} --help lists the flags." if similar else f"{message}: see --help"


def _without_python(message: str) -> str:
    """A message of absl for a value that is no number, without the words of Python's `int`."""
    message = re.sub(r"invalid literal for int\(\) with base 10: .*", "give an integer", message)
    return re.sub(r"could not convert string to float: .*", "give a number", message)


def fail(message: str) -> None:
    """Prints `message` on one line of stderr and exits with status 1."""
    print(f"{os.path.basename(sys.argv[0])}: error: {escape(message)}", file=sys.stderr)
    raise SystemExit(1)


def note(message: str) -> None:
    """Prints a note on one line of stderr."""
    print(f"note: {escape(message)}", file=sys.stderr)
