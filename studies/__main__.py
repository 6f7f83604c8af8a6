"""Runs every study, each in a process of its own.

python3 -m studies --out=results/studies      the full runs
python3 -m studies --quick                    each in less than a minute
"""

from __future__ import annotations

import subprocess
import sys

from command_line import run
from studies import NAMES
from studies.study import define_flags


def main() -> int | None:
    failed = []
    for name in NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"studies.{name}", *sys.argv[1:]]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    return None


if __name__ == "__main__":
    define_flags()
    run(main)
