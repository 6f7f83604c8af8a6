"""The benchmark's answers as a table, as JSON and as a bar chart."""

from __future__ import annotations

import textwrap
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from ptb.experiments.benchmarks.race import Entry
from ptb.experiments.benchmarks.sides import BFLOAT16, LOW_PEERS, PEERS
from ptb.experiments.benchmarks.workload import Workload
from ptb.machine.atomic_file import write_atomically
from ptb.machine.colours import GREY, SERIES

OURS, OTHERS = SERIES[0], SERIES[-1]
NO_BREAK = "\N{NO-BREAK SPACE}"


def summary(entries: list[Entry], workload: Workload) -> dict:
    """Every figure of the benchmark, in base units: words/s, seconds, bytes, operations/s."""
    limit = max(entry.matmul_flops for entry in entries)
    flop = workload.training_flop_per_word
    sides: dict[str, dict] = {}
    for entry in entries:
        if entry.absent:
            sides[entry.name] = {"absent": entry.absent}
        elif entry.train_rates:
            sides[entry.name] = {
                "train_words_per_second": spread(entry.train_rates),
                "evaluate_words_per_second": spread(entry.evaluate_rates),
                "share_of_limit": entry.train_rate * flop / limit,
                "first_step_seconds": entry.first_step_seconds,
                "peak_bytes": entry.peak_bytes,
                "import_bytes": entry.import_bytes,
                "first_costs": entry.costs,
            }
    return {
        "training_flop_per_word": flop,
        "matmul_limit_flops": limit,
        "matmul_flops": {e.name: e.matmul_flops for e in entries if e.matmul_flops},
        "sides": sides,
        "ratios": _medians(by_round := _ratios(entries)),
        "ratios_by_round": by_round,
    }


def spread(rates: list[float]) -> dict:
    return {"median": median(rates), "min": min(rates), "max": max(rates)}


def _ratios(entries: list[Entry]) -> dict:
    """Words/s of each side over each peer's in each round; in bfloat16 also over its float32."""
    whole = [entry for entry in entries if entry.train_rates and not entry.absent]
    rates = {entry.name: entry.train_rates for entry in whole}
    exact = [name.removesuffix(BFLOAT16) for name in rates if name.endswith(BFLOAT16)]
    bases = (*PEERS, *LOW_PEERS, *exact)
    return {
        peer: {
            name: [a / b for a, b in zip(rates[name], rates[peer], strict=True)]
            for name in rates
            if name != peer
        }
        for peer in rates
        if peer in bases
    }


def _medians(ratios: dict) -> dict:
    return {peer: {name: median(r) for name, r in each.items()} for peer, each in ratios.items()}


def table(result: dict, title: str) -> str:
    """Formats the summary as text, 110 columns wide."""
    limit, flop = result["matmul_limit_flops"], result["training_flop_per_word"]
    limits = ", ".join(f"{n} {f / 1e9:.0f}" for n, f in result["matmul_flops"].items())
    lines = [
        title,
        f"float32 matrix product, 2048 cubed, GFLOP/s: {limits}; limit {limit / 1e9:.0f}",
        f"training: {flop / 1e6:.1f} MFLOP a word = 3 (L 2 2H 4H + 2 H V), "
        f"so at most {limit / flop:,.0f} words/s",
        "",
        f"{'':16}{'train words/s':>15}{'(spread)':>18}{'of limit':>10}{'evaluate':>10}"
        f"{'first step':>12}{'peak memory':>13}{'above import':>14}",
    ]
    for name, side in result["sides"].items():
        if "absent" in side:
            lines.append(f"{name:16}absent: {side['absent']}")
            continue
        train, evaluate = side["train_words_per_second"], side["evaluate_words_per_second"]
        between = f"{train['min']:,.0f}-{train['max']:,.0f}"
        lines.append(
            f"{name:16}{train['median']:15,.0f}{between:>18}{side['share_of_limit']:10.0%}"
            f"{evaluate['median']:10,.0f}{side['first_step_seconds']:10.1f} s"
            f"{side['peak_bytes'] / 2**20:9,.0f} MiB"
            f"{(side['peak_bytes'] - side['import_bytes']) / 2**20:10,.0f} MiB"
        )
    lines.append("")
    for peer, by_side in result["ratios_by_round"].items():
        ratios = (
            f"{name} {median(each):.2f} ({min(each):.2f} to {max(each):.2f})".replace(" ", NO_BREAK)
            for name, each in by_side.items()
        )
        line = f"words/s over {peer}'s, median (lowest to highest round): {', '.join(ratios)}"
        wrapped = textwrap.wrap(line, 110, subsequent_indent="  ")
        lines += [each.replace(NO_BREAK, " ") for each in wrapped]
    lines.append("cost of the first steps, in nats:")
    for name, side in result["sides"].items():
        if "absent" not in side:
            costs = " ".join(f"{cost:9.4f}" for cost in side["first_costs"])
            lines.append(f"  {name:16}{costs}")
    return "\n".join(lines)


def draw(result: dict, title: str, path: Path) -> None:
    """Draws words per second of every side, with the spread, and the machine's limit."""
    sides = {n: s for n, s in result["sides"].items() if "absent" not in s}
    rates = {name: side["train_words_per_second"] for name, side in sides.items()}
    figure = Figure(figsize=(7, 0.6 * len(rates) + 1.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    names = list(rates)[::-1]
    medians = [rates[name]["median"] for name in names]
    highest = [rates[name]["max"] for name in names]
    errors = [
        [rates[name]["median"] - rates[name]["min"] for name in names],
        [rates[name]["max"] - rates[name]["median"] for name in names],
    ]
    colors = [OTHERS if name in (*PEERS, *LOW_PEERS) else OURS for name in names]
    bars = {"ecolor": GREY, "error_kw": {"linewidth": 2}, "capsize": 3}
    axes.barh(names, medians, xerr=errors, color=colors, **bars)
    for colour, label in ((OURS, "this project"), (OTHERS, "other programs")):
        axes.barh(0, 0, color=colour, label=label)
    axes.errorbar([], [], xerr=[], color=GREY, capsize=3, label="lowest to highest round")
    # Below the axes: inside, a bar may be anywhere.
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    # The line of the limit may be behind a number.
    number = {"va": "center", "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1}}
    for name, value, end in zip(names, medians, highest, strict=True):
        axes.annotate(f"{value:,.0f}", (end, name), (8, 0), textcoords="offset points", **number)
    limit = result["matmul_limit_flops"] / result["training_flop_per_word"]
    axes.axvline(limit, color="black", linestyle="--", linewidth=1)
    axes.text(limit, -0.75, "float32 matrix product alone ", ha="right", va="center", fontsize=8)
    axes.set(
        xlabel="training, words per second", title=title, xlim=(0, 1.12 * max([limit, *highest]))
    )
    axes.set_ylim(-1, len(names) - 0.5)
    axes.spines[["top", "right"]].set_visible(False)
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
