"""The command `ptb`, also `python3 -m ptb`: `ptb` alone lists what it can do."""

import os
import sys

if __name__ == "__main__":
    # Python looked first in the folder where this was started, or in that of this file. A module
    # there, such as a user's own `models.py`, must not be taken for one of ours.
    if not sys.flags.safe_path:
        del sys.path[0]
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if root not in sys.path:
        sys.path.insert(0, root)

import ptb.command_line.ctrl_c  # noqa: F401  (first: it is quiet from here on)

from ptb.command_line.commands import main

if __name__ == "__main__":
    sys.exit(main())
