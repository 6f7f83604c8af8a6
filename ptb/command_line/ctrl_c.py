"""Import this first in a script: Ctrl-C then ends it without a traceback, also during imports.

Python itself gives such a process the exit status of the signal, as a shell shows it: 130. Only
`sys` is imported here, since Ctrl-C may come at any moment.
"""

import sys


def _quiet_on_ctrl_c(kind, error, traceback) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)


sys.excepthook = _quiet_on_ctrl_c
