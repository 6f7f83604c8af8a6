"""Serves a web page that shows what an exported model predicts and how surprising each word was.

    ptb serve --export_path=DIR              then open http://127.0.0.1:8000
    ptb serve --export_path=DIR --port=0     on any free port

Only this machine can open the page, unless --host says otherwise. The page needs the extra `demo`:
python3 -m pip install -e ".[demo]".
"""

from __future__ import annotations

import contextlib
import sys

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, fail, note, run, user_errors


def main() -> None:
    demo = _demo()
    with user_errors():
        export = _load_export()
    try:
        is_local = demo.is_local(FLAGS.host)
        trusted = (*demo.LOCAL_HOSTS, FLAGS.host.lower()) if is_local else None
        server = demo.listen(demo.create_app(export, trusted), FLAGS.host, FLAGS.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: no host has such a name
        reason = getattr(error, "strerror", None) or "give the name or the address of this machine"
        fail(f"--host={FLAGS.host} --port={FLAGS.port} cannot be served: {reason}")
    if not is_local:
        note(f"everyone who can reach {FLAGS.host} can use this page")
    host = f"[{FLAGS.host}]" if ":" in FLAGS.host else FLAGS.host
    print(f"http://{host}:{server.port}", flush=True)
    print("open this address in a browser; Ctrl-C ends the page", file=sys.stderr)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def _demo():
    """Imports the module of the page, which needs Flask."""
    try:
        from ptb.serving import demo  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in ("flask", "werkzeug"):
            raise
        fail(f'{error.name} is not installed: python3 -m pip install -e ".[demo]"')
    return demo


def _load_export():
    from ptb.serving.client import LoadedExport, find  # noqa: PLC0415

    if FLAGS.export_path is None:
        raise ValueError("--export_path is missing: give the folder that ptb export wrote to")
    if not FLAGS.host:
        raise ValueError("--host is empty: give 0.0.0.0 to serve on every address of this machine")
    find(FLAGS.export_path)
    start_tensorflow()
    return LoadedExport(FLAGS.export_path)


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("serving"):
        define_path(
            "export_path", None, "Folder that ptb export wrote to. Default: none; required."
        )
        flags.DEFINE_string(
            "host",
            "127.0.0.1",
            "Address to serve on. With the default, only this machine can open the page.",
        )
        flags.DEFINE_integer("port", 8000, "Port to serve on. 0: any free port.", 0, 65535)
    run(main)
