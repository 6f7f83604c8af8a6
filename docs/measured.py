"""Every measured number of the pages, and where it comes from: python3 docs/measured.py

On a page a number is followed by its name in NUMBERS, which readers do not see:

    2.289<!--same words, batch 1-->

The value is computed from a file in results/, or is a closed form. This program writes the values
of now into the pages; a test fails when one is out of date.

A number needs a name if it has a decimal point or a comma, or stands before a unit of UNITS. These
need none: whole numbers (sizes, steps, layers, counts of an example, years), settings, which are
written as code (`0.5`), what is in code or a formula, papers (arXiv 1409.2329), findings that a
page quotes (`- *finding*`, held by a test of their own), and blocks that `by_hand.py` writes.
"""

from __future__ import annotations

import csv
import functools
import itertools
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import fmean, median

from ptb.data.grammar import default_grammar
from ptb.experiments.records.record import read_result
from ptb.experiments.studies.batch_size import noise_over_signal
from ptb.experiments.studies.gradient_flow import VANISHED, decay, of_seeds, reach, recurrent
from ptb.experiments.studies.measurements import Row, where
from ptb.experiments.studies.num_steps import EPOCHS
from ptb.experiments.studies.sampling import CLOSE_NATS
from ptb.experiments.studies.study_files import saved_rows
from ptb.machine.untrusted import read_json

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "results"
UNITS = r"%|times|words/s|MB|ms\b|nats|倍|奈特|毫秒"
NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?"
NAMED = re.compile(rf"({NUMBER})<!--(?!by hand)([^>]+?)-->")
UNNAMED = re.compile(
    rf"(?<![\w.,])\d[\d,]*\.\d+|(?<![\w.,])\d+,[\d,]*\d|(?<![\w.,])\d+(?=\s?(?:{UNITS}))"
)
EXEMPT = re.compile(
    r"```.*?```|^- \*[^*]*\*$|`[^`]*`|<!--by hand.*?<!--end-->|^#.*?$|\]\([^)]*\)|https?://\S+"
    r"|arXiv[ :]\d{4}\.\d{4,5}|<!--.*?-->",
    re.M | re.S,
)


def with_numbers_of_now(page: str) -> str:
    """The text of a page with the value of each named number as it is now."""
    return NAMED.sub(lambda match: f"{value(match[2])}<!--{match[2]}-->", page)


def unnamed(page: str) -> list[str]:
    """The numbers of a page that need a name and have none."""
    return UNNAMED.findall(EXEMPT.sub(" ", NAMED.sub(" ", page)))


def value(name: str) -> str:
    """The number of a name as it is written. Raises KeyError for an unknown name."""
    spec, compute = NUMBERS[name]
    return format(compute(), spec)


@functools.cache
def _rows(study: str) -> list[dict]:
    with open(RESULTS / study / "measurements.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(study: str, name: str, **wanted) -> list[float]:
    """A column of `results/STUDY/measurements.csv`, in the rows that have what is wanted."""
    rows = _rows(study)
    for key, wish in wanted.items():
        rows = [row for row in rows if row[key] == str(wish)]
    if not rows:
        raise ValueError(f"{study} has no row with {wanted}")
    return [float(row[name]) for row in rows]


def mean(study: str, name: str, **wanted) -> Callable[[], float]:
    return lambda: fmean(column(study, name, **wanted))


def perplexity(study: str, name: str, **wanted) -> Callable[[], float]:
    """exp of the mean of a column of nats."""
    return lambda: math.exp(fmean(column(study, name, **wanted)))


def per_cent(study: str, name: str, **wanted) -> Callable[[], float]:
    return lambda: 100 * fmean(column(study, name, **wanted))


def ratio(one: Callable[[], float], other: Callable[[], float]) -> Callable[[], float]:
    return lambda: one() / other()


def gap(one: Callable[[], float], other: Callable[[], float]) -> Callable[[], float]:
    return lambda: one() - other()


def in_per_cent(cost: Callable[[], float]) -> Callable[[], float]:
    """How much lower a perplexity is, in per cent, by a (negative) cost in nats a word."""
    return lambda: 100 * (1 - math.exp(cost()))


def geometric_mean(study: str, name: str, **wanted) -> Callable[[], float]:
    return lambda: math.exp(fmean(map(math.log, column(study, name, **wanted))))


def exact(number: float) -> Callable[[], float]:
    """A closed form."""
    return lambda: number


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def remember(optimizer: str, network: str, delay: int) -> Callable[[], float]:
    """Which per cent of the seeds are right 62.5% of the time or more."""

    def share() -> float:
        where = {"optimizer": optimizer, "network": network, "delay": delay}
        some = column("studies/memory", "accuracy", **where)
        return 100 * fmean(accuracy >= 0.625 for accuracy in some)

    return share


@functools.cache
def _gradients() -> list[Row]:
    return recurrent(saved_rows(RESULTS / "studies/gradient_flow"))


def factor_of_a_step(wanted: dict, first: int = 0) -> Callable[[], float]:
    """What a step back multiplies the gradient by, averaged over the steps and the seeds."""

    def factor() -> float:
        rows = where(_gradients(), **wanted)
        return fmean(of_seeds([row for row in rows if row["k"] >= first], decay))

    return factor


def reach_of(wanted: dict, left: float = VANISHED) -> Callable[[], float]:
    """The steps back from which on less than the share `left` of the gradient is left."""
    return lambda: fmean(of_seeds(where(_gradients(), **wanted), partial(reach, left=left)))


def _batch_size() -> dict:
    study, numbers = "studies/batch_size", {}
    for held in ("same words", "same updates"):
        for size in (1, 4, 20, 64, 256):
            where = {"held": held, "batch_size": size}
            numbers |= {
                f"{held}, batch {size}": (".3f", mean(study, "valid_nats", **where)),
                f"{held}, batch {size}: updates": (",.0f", mean(study, "updates", **where)),
                f"{held}, batch {size}: clipped": (".0f", per_cent(study, "clipped", **where)),
            }
        for size in (1, 4, 64):
            where = {"held": held, "batch_size": size}
            numbers[f"Penn Treebank, {held}, batch {size}"] = (
                ".3f",
                mean("studies_ptb/batch_size", "valid_nats", **where),
            )
        for size in (1, 4, 256):
            for text, name in ((study, ""), ("studies_ptb/batch_size", "Penn Treebank, ")):
                where = {"held": held, "batch_size": size}
                losses = (mean(text, f"{split}_nats", **where) for split in ("valid", "train"))
                numbers[f"{name}{held}, batch {size}: generalization gap"] = (".3f", gap(*losses))
    for name, file in (("noise", "measurements.csv"), ("noise again", "recheck.csv")):
        for size, noise in noise_over_signal(saved_rows(RESULTS / study, file)).items():
            numbers[f"{name}, batch {size}"] = (".2f", exact(noise.mean))
    return numbers | {
        "batch 256 over batch 1": (
            ".2f",
            ratio(
                *(
                    perplexity(study, "valid_nats", held="same words", batch_size=size)
                    for size in (256, 1)
                )
            ),
        ),
        "frequencies": (".3f", mean(study, "unigram_nats")),
        "frequencies, perplexity": (".1f", perplexity(study, "unigram_nats")),
    }


def _num_steps() -> dict:
    study, numbers = "studies/num_steps", {}
    for epoch, state, steps in itertools.product(
        EPOCHS, ("carried", "reset"), (1, 2, 5, 10, 20, 40)
    ):
        where = {"num_epochs": epoch, "measured": "loss", "setting": state, "num_steps": steps}
        name = f"epoch {epoch}, {state}, {steps} steps"
        numbers[name] = (".2f", perplexity(study, "valid_nats", **where))
        numbers[f"{name}: updates"] = (",.0f", mean(study, "updates", **where))
    # A window of T steps sums T (T + 1) / 2 terms.
    numbers["terms, 80 over 40"] = (".2f", exact(80 * 81 / (40 * 41)))
    numbers["floor, the last 5 words"] = (
        ".2f",
        lambda: default_grammar().perplexity_floor(5, sliding=True),
    )
    for network in ("RNN, radius 0.5", "RNN, radius 2", "RNN, trained"):
        where = {"measured": "gradient norm", "setting": network}
        numbers[f"growth, {network}"] = (
            ".3g",
            ratio(
                geometric_mean(study, "grad_norm", window=80, **where),
                geometric_mean(study, "grad_norm", window=40, **where),
            ),
        )
    trained = {"measured": "gradient norm", "setting": "RNN, trained", "window": 80}
    numbers["radius, RNN, trained"] = (".2f", mean(study, "spectral_radius", **trained))
    return numbers


def _sampling(study: str = "studies/sampling", text: str = "") -> dict:
    numbers = {"sampling: no difference": (".2f", exact(CLOSE_NATS))}
    kinds = {
        "carried": "sequential, carried",
        "reset": "sequential, reset",
        "random": "random",
    }
    for steps in (5, 20):
        loss = {}
        for kind, sampling in kinds.items():
            for scored in ("carried", "reset"):
                where = {"num_steps": steps, "sampling": sampling}
                where |= {"scored": "zeroed" if scored == "reset" else scored}
                loss[kind, scored] = mean(study, "valid_nats", **where)
                numbers[f"{text}{steps} steps, trained {kind}, scored {scored}"] = (
                    ".2f",
                    perplexity(study, "valid_nats", **where),
                )
        best = loss["carried", "carried"]
        for name, value in (
            ("worth of carrying", gap(loss["reset", "reset"], best)),
            ("cost of resetting in training", gap(loss["reset", "carried"], best)),
            ("cost of resetting in scoring", gap(loss["carried", "reset"], best)),
        ):
            numbers[f"{text}{steps} steps, {name}"] = (".3f", value)
        cost = gap(loss["random", "carried"], best)
        numbers[f"{text}{steps} steps, cost of random"] = (".3f", cost)
        numbers[f"{text}{steps} steps, gain of random"] = (".0f", in_per_cent(cost))
    return numbers


def _gradient_flow() -> dict:
    study, numbers = "studies/gradient_flow", {}
    for network in ("RNN", "GRU", "LSTM", "LSTM, forget bias 1"):
        wanted = {"network": network, "trained_epochs": 3}
        near = ratio(*(geometric_mean(study, "norm", k=k, **wanted) for k in (20, 1)))
        loss = {"k": 1, **wanted}
        numbers |= {
            f"{network}: factor": (".3f", factor_of_a_step(wanted)),
            f"{network}: factor, far": (".3f", factor_of_a_step(wanted, 20)),
            f"{network}: reach": (".1f", reach_of(wanted)),
            f"{network}: reach, 10%": (".1f", reach_of(wanted, 0.1)),
            f"{network}: reach, 1%": (".1f", reach_of(wanted, 0.01)),
            f"{network}: reach, 0.01%": (".1f", reach_of(wanted, 1e-4)),
            f"{network}: left after 20 steps": (".5f", near),
            f"{network}: valid loss": (".3f", mean(study, "valid_nats", **loss)),
            f"{network}: clipped": (".0f", per_cent(study, "clipped", **loss)),
            f"{network}: gate": (".2f", mean(study, "gate", **loss)),
            f"{network}: radius": (".2f", mean(study, "spectral_radius", **loss)),
        }
    return numbers


def _others() -> dict:
    cosine = {"trained_epochs": 4, "weights": "recurrent kernel"}
    numbers = {
        f"cosine, {steps} steps": (
            ".3f",
            mean("studies/truncation", "cosine", num_steps=steps, **cosine),
        )
        for steps in (1, 5, 10, 20, 40)
    }
    everything = {"trained_epochs": 4, "num_steps": 20, "weights": "all weights"}
    numbers["cosine, 20 steps, all weights"] = (
        ".3f",
        mean("studies/truncation", "cosine", **everything),
    )
    rows = _rows("studies/memory")
    tried = dict.fromkeys((row["optimizer"], row["network"], row["delay"]) for row in rows)
    for optimizer, network, delay in tried:
        share = remember(optimizer, network, int(delay))
        numbers[f"{network} remembers {delay}, {optimizer}"] = (".0f", share)
    for size in (8, 64, 128):
        where = {"hidden_size": size, "as_many_as": size, "updates": 450}
        numbers[f"{size} units"] = (".3f", mean("studies/hidden_size", "valid_nats", **where))
        numbers[f"{size} units: multiplications"] = (
            ".1f",
            mean("studies/hidden_size", "giga_multiplications", **where),
        )
    kept = {each: {"kept_windows": each} for each in (1, 16)}
    time = {each: mean("studies/detach", "ms_per_window", **kept[each]) for each in kept}
    numbers |= {
        "1 window kept: ms": (".1f", time[1]),
        "16 windows kept: ms": (".1f", time[16]),
        "16 windows kept: times as long": (".1f", ratio(time[16], time[1])),
        "16 windows kept: MB": (
            ".0f",
            gap(*(mean("studies/detach", "extra_mb", **kept[each]) for each in (16, 1))),
        ),
    }
    for unroll in ("static", "fused", "loop"):
        where = {"unroll": unroll, "num_steps": 160}
        numbers |= {
            f"{unroll}: operations": (",.0f", mean("studies/unroll", "operations", **where)),
            f"{unroll}: words/s": (",.0f", mean("studies/unroll", "words_per_second", **where)),
            f"{unroll}: MB": (",.0f", mean("studies/unroll", "peak_mb", **where)),
        }
    for setting in ("as printed", "deterministic"):
        for epoch in (1, 2):
            for name in ("perplexity", "val_perplexity"):
                where = {"setting": setting, "epoch": epoch}
                numbers[f"keras {setting}, epoch {epoch}: {name}"] = (
                    ".2f",
                    mean("plain_keras", name, **where),
                )
    # Keras's own loss divides by all entries of the 26 windows, of which the last are padding.
    masked = mean("plain_keras", "val_perplexity", setting="as printed", epoch=2)
    padded = lambda: masked() ** (10_026 / (26 * 20 * 20))  # noqa: E731
    numbers["keras with padding"] = (".2f", padded)
    return numbers


def _inside() -> dict:
    """Of `results/inside/inside.json`: the first word that agrees after the aside."""
    found = read_json(RESULTS / "inside/inside.json")
    word = found["words"].index("bilit")
    held_out = {(each["agreement"], each["vowel"]): each["held_out"] for each in found["agreement"]}
    sizes = sorted(map(abs, held_out.values()))
    of_class = math.log(sum(k**-1.4 for k in range(1, 9)))  # the most frequent of 8 words
    return {
        "inside: nats": (".2f", exact(found["nats"][word])),
        "inside: nats of the class": (".2f", exact(of_class)),
        "inside: nats without the vowel": (".2f", exact(of_class + math.log(4))),
        "inside: beyond": (".0f", exact(100 * found["share_beyond_num_steps"][word - 1])),
        "inside: time e": (".3f", exact(held_out["time", "e"])),
        "inside: lowest": (".2f", exact(sizes[0])),
        "inside: median": (".2f", exact(median(sizes))),
    }


def _records() -> dict:
    """Of the records below results/ptb and results/tinyshakespeare: mean, lowest, highest seed."""
    numbers = {}
    for folder in sorted((RESULTS / "ptb").iterdir()):
        results = sorted(folder.glob("seed-*/result.json"))
        if not results:
            continue
        model = folder.name
        seeds = [read_result(each.parent) for each in results]
        kinds = {"": seeds}
        if isinstance(seeds[0].get("last_epoch"), dict):
            kinds[", last epoch"] = [seed["last_epoch"] for seed in seeds]
        for kind, scores in kinds.items():
            for split in ("valid", "test"):
                name = f"record {model}{kind}: {split}"
                values = [score[split]["perplexity"] for score in scores]
                numbers |= {
                    name: (".2f", exact(fmean(values))),
                    f"{name}, lowest": (".2f", exact(min(values))),
                    f"{name}, highest": (".2f", exact(max(values))),
                }
        if all(seed["seconds"] for seed in seeds):
            seconds = fmean(seed["seconds"] for seed in seeds)
            numbers[f"record {model}: seconds"] = (",.0f", exact(seconds))
    for tokens in ("char", "subword"):
        record = read_result(RESULTS / f"tinyshakespeare/{tokens}/seed-1")
        for split in ("valid", "test"):
            bits = record[split]["bits_per_character"]
            numbers[f"record {tokens}: {split} bits"] = (".3f", exact(bits))
    return numbers


def _penn_treebank() -> dict:
    corpus = read_json(RESULTS / "ptb/best/seed-1/config.json")["corpus"]
    return {f"ptb: {split}": (",d", exact(n)) for split, n in corpus["tokens"].items()}


def _benchmarks() -> dict:
    """Of results/benchmark: words per second, and medians of the ratios of each round."""
    numbers = {}
    folders = "amd_epyc", "amd_epyc_family_25", "amd_epyc_family_26", "xeon_amx"
    sizes = "small", "medium", "large"
    models = [f"{folder}/{size}" for folder, size in itertools.product(folders, sizes)]
    for model in models:
        benchmark = read_json(RESULTS / f"benchmark/{model}.json")
        name, here = f"benchmark {model}", benchmark["sides"]["fused"]
        speed = here["train_words_per_second"]["median"]
        numbers[f"{name}: words/s"] = (",.0f", exact(speed))
        numbers[f"{name}: share"] = (".0f", exact(100 * here["share_of_limit"]))
        if original := benchmark["sides"].get("tf1_block"):
            speed = original["train_words_per_second"]["median"]
            numbers[f"{name}: words/s of tf1_block"] = (",.0f", exact(speed))
        for peer, ratios in benchmark["ratios"].items():
            for side, over in (("fused", "over"), ("fused_bfloat16", "bfloat16 over")):
                if side in ratios:
                    numbers[f"{name}: {over} {peer}"] = (".2f", exact(ratios[side]))
    return numbers | _original()


def _original() -> dict:
    """Of TensorFlow 1.15: test of `small`, trained here; the time of 13 epochs, and of `fast`."""
    trained = (RESULTS / "original/small_training").glob("seed-*.json")
    tests = [read_json(path)["test"] for path in trained]
    benchmark = read_json(RESULTS / "benchmark/xeon_amx/small.json")
    speed = benchmark["sides"]["tf1_block"]["train_words_per_second"]["median"]
    seconds = 13 * benchmark["tokens"] / speed
    fast = [read_result(each)["seconds"] for each in (RESULTS / "ptb/fast").glob("seed-*")]
    return {
        "the original, small: test": (".2f", exact(fmean(tests))),
        "the original, small: test, lowest": (".2f", exact(min(tests))),
        "the original, small: test, highest": (".2f", exact(max(tests))),
        "the original: minutes of small": (".0f", exact(seconds / 60)),
        "the original: times the time of fast": (".0f", exact(seconds / fmean(fast))),
    }


def _closed_forms() -> dict:
    numbers = {
        "built-in corpus": (",d", exact(90_030)),
        "built-in corpus, start of row 1": (",d", exact(90_030 // 4)),
        "small: predictions of a window": (",d", exact(20 * 20)),
        "sigmoid(0)": (".2f", exact(sigmoid(0))),
        "sigmoid(1)": (".2f", exact(sigmoid(1))),
        "sigmoid(0)**10": (".4f", exact(sigmoid(0) ** 10)),
        "sigmoid(1)**10": (".4f", exact(sigmoid(1) ** 10)),
        "0.5**10": (".5f", exact(0.5**10)),
        "0.5**20": (".7f", exact(0.5**20)),
        "0.9**20": (".3f", exact(0.9**20)),
        "0.99**20": (".3f", exact(0.99**20)),
        "1.5**10": (".1f", exact(1.5**10)),
        "1.1**20": (".2f", exact(1.1**20)),
        "vocabulary": (",d", exact(10_000)),
        "words of a study": (
            ",.0f",
            mean("studies/batch_size", "words", held="same words", batch_size=1),
        ),
        "loss scale": (",d", exact(2**12)),
        "log 10,000": (".2f", exact(math.log(10_000))),
    }
    for name, batch_size, num_steps, units in (
        ("small", 20, 20, 200),
        ("medium", 20, 35, 650),
        ("large", 20, 35, 1500),
    ):
        products = 2 * 2 * units * 4 * units + 10_000 * units
        weights = products + 2 * 4 * units + 10_000
        words = batch_size * num_steps
        numbers |= {
            f"{name}: weights": (",d", exact(weights + 10_000 * units)),
            f"{name}: weights above": (",d", exact(weights)),
            f"{name}: MB": (".1f", exact(4 * weights / 1e6)),
            f"{name}: embedding MB": (".1f", exact(4 * words * units / 1e6)),
            f"{name}: GFLOP": (".1f", exact(6 * words * products / 1e9)),
        }
    return numbers


NUMBERS = {
    **_batch_size(),
    **_num_steps(),
    **_sampling(),
    **_sampling("studies_ptb/sampling", "ptb, "),
    **_gradient_flow(),
    **_others(),
    **_inside(),
    **_records(),
    **_penn_treebank(),
    **_benchmarks(),
    **_closed_forms(),
}


if __name__ == "__main__":
    for each in DOCS.glob("*.md"):
        each.write_text(with_numbers_of_now(each.read_text(encoding="utf-8")), encoding="utf-8")
