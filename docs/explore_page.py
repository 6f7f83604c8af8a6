"""Brings explore.html up to date with the measurements and itself: python3 -m docs.explore_page

The page holds the curves of the study gradient_flow, and the hashes of its own style and script,
without which a browser would run neither. A test fails when one of them is out of date.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import math
import re
from collections import defaultdict
from pathlib import Path

from ptb.experiments.studies import gradient_flow

PAGE = Path(__file__).parent / "explore.html"
MEASUREMENTS = PAGE.parents[1] / "results/studies/gradient_flow/measurements.csv"
BLOCK = re.compile(r'(<script type="application/json" id="measurements">)(.*?)(</script>)', re.S)
UNDERFLOW = 1e-30  # smaller norms are of numbers that float32 no longer holds exactly


def up_to_date(page: str) -> str:
    """The page with the curves of now, and the hashes of its style and script."""
    lines = ",\n".join(json.dumps(curve) for curve in curves(MEASUREMENTS))
    page = BLOCK.sub(lambda block: f"{block[1]}[\n{lines}\n]{block[3]}", page)
    for name, tag in (("style", "<style>"), ("script", "<script>")):
        content = page.partition(tag)[2].partition(f"</{name}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        page = re.sub(f"{name}-src 'sha256-[^']*'", f"{name}-src 'sha256-{digest}'", page)
    return page


def curves(path: Path) -> list[dict]:
    """For each cell and setting, the norm at each k that was measured, over that at k = 1.

    The norm is the geometric mean over the seeds. `reach` is the study's figure.
    """
    with open(path, encoding="utf-8", newline="") as file:
        logs, rows = defaultdict(lambda: defaultdict(list)), defaultdict(list)
        for row in csv.DictReader(file):
            setting = row["network"], row["init_scale"], row["trained_epochs"]
            k, norm = int(row["k"]), float(row["norm"])
            if not k:  # the loss reads h alone
                continue
            logs[setting][k].append(math.log(max(norm, 1e-300)))
            rows[setting].append({"seed": row["seed"], "k": k, "norm": norm})
    names = "cell", "init_scale", "trained_epochs"
    return [
        dict(zip(names, setting, strict=True)) | _curve(by_k) | {"reach": _reach(rows[setting])}
        for setting, by_k in logs.items()
    ]


def _reach(rows: list[dict]) -> str:
    """The mean over the seeds, as the study tells it: marked where a seed reaches farther."""
    steps = gradient_flow.of_seeds(rows, gradient_flow.reach)
    mark = gradient_flow.mark_of(steps, max(row["k"] for row in rows))
    return f"{mark}{sum(steps) / len(steps):.1f}"


def _curve(logs: dict[int, list[float]]) -> dict:
    means = {k: math.fsum(values) / len(values) for k, values in sorted(logs.items())}
    shown = [k for k in means if k == 1 or means[k] > math.log(UNDERFLOW)]
    return {"k": shown, "norm": [float(f"{math.exp(means[k] - means[1]):.3g}") for k in shown]}


if __name__ == "__main__":
    PAGE.write_text(up_to_date(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
