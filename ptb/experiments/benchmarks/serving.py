"""How fast an export answers: loading, sentences per second, latency.

It is measured as a client meets it: a process of its own that imports TensorFlow alone and leaves
its settings as they are. The sentences are words of the model with Zipf's frequencies, 5 to 35 to a
sentence, so a batch of 64 is padded to about 35.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ptb.data import text
from ptb.experiments.benchmarks.race import START_SECONDS
from ptb.machine.child import call
from ptb.machine.cores import available_cores
from ptb.machine.system import load_average
from ptb.machine.untrusted import read_json
from ptb.serving.client import CARD_FILE

BATCH_SIZES = (1, 64)
NUM_SENTENCES = 512
WORDS_OF_A_SENTENCE = (5, 35)
# What loading and the first calls may take, beside the time that was asked for.
LIMIT_SECONDS = 600


def run(export_path: Path, seconds: float) -> dict:
    """The figures of one version of an export, `seconds` for each of the measurements."""
    folder = export_path.resolve()
    return call(_measure, str(folder), seconds, seconds=LIMIT_SECONDS + 10 * seconds, quiet=True)


def expected_seconds(seconds: float) -> float:
    """The approximate seconds that `run` takes."""
    return START_SECONDS + seconds * (len(BATCH_SIZES) + 1)


def table(result: dict) -> str:
    """Formats the figures as text."""
    limit = result["matmul_flops"]
    lines = [
        f"{result['name']}: {result['num_weights']:,} weights, {result['vocab_size']:,} tokens, "
        f"{result['cores']} cores, load average {_rounded(result['load_average'])}",
        f"loading {result['load_seconds']:.2f} s, first answer {result['first_seconds']:.2f} s",
        f"float32 matrix product, 2048 cubed: {limit / 1e9:.0f} GFLOP/s",
        "",
        f"{'score':12}{'sentences/s':>12}{'words/s':>12}{'GFLOP/s':>10}{'of limit':>10}"
        f"{'CPU ms/sentence':>17}",
    ]
    for batch_size, row in result["score"].items():
        flops = row["words_per_second"] * result["flop_per_word"]
        lines.append(
            f"{f'batch {batch_size}':12}{row['sentences_per_second']:12,.0f}"
            f"{row['words_per_second']:12,.0f}{flops / 1e9:10.1f}{flops / limit:10.0%}"
            f"{1000 * row['cpu_seconds_per_sentence']:17.2f}"
        )
    first, last = (result["score"][str(size)] for size in BATCH_SIZES)
    ratio = last["sentences_per_second"] / first["sentences_per_second"]
    p50, p99 = (1000 * result["next_word"][name] for name in ("p50_seconds", "p99_seconds"))
    return "\n".join(
        [
            *lines,
            f"batch {BATCH_SIZES[1]} over batch {BATCH_SIZES[0]}: {ratio:.1f}",
            "",
            f"next_word, batch 1: p50 {p50:.2f} ms, p99 {p99:.2f} ms "
            f"({result['next_word']['calls']:,} calls)",
        ]
    )


def _rounded(load: float | None) -> str:
    return "unknown" if load is None else f"{load:.1f}"


def sentences(tokens: list[str], kind: str, seed: int = 0) -> list[str]:
    """Random sentences of tokens of this kind (`text.TOKENS`); earlier ones are more frequent."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, len(tokens) + 1)
    low, high = WORDS_OF_A_SENTENCE
    lengths = rng.integers(low, high + 1, NUM_SENTENCES)
    drawn = [rng.choice(tokens, n, p=chances / chances.sum()) for n in lengths]
    return ["".join(text.join(sentence.tolist(), kind)) for sentence in drawn]


def _measure(export: str, seconds: float) -> dict:
    import tensorflow as tf  # noqa: PLC0415

    folder = Path(export)
    card = read_json(folder / CARD_FILE)
    words = (folder / "assets" / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    texts = sentences(words, card["tokens"])
    began = time.perf_counter()
    model = tf.saved_model.load(str(folder))
    loaded = time.perf_counter()
    score = model.signatures["score"]
    score(text=tf.constant(texts[:1]))
    answered = time.perf_counter()
    config = card["config"]
    looked_up = 0 if config.get("tie_weights") else card["vocab_size"] * config["hidden_size"]
    return {
        "name": card["name"],
        "num_weights": card["num_weights"],
        "vocab_size": card["vocab_size"],
        "cores": available_cores(),
        "load_average": load_average(),
        "versions": {"tensorflow": tf.__version__, "numpy": np.__version__},
        "load_seconds": loaded - began,
        "first_seconds": answered - loaded,
        # Every weight but those that are looked up is multiplied and added once (of an adaptive
        # softmax this is the most that a word can cost).
        "flop_per_word": 2 * (card["num_weights"] - looked_up),
        "matmul_flops": _matmul_flops(tf),
        "score": {size: _score(tf, score, texts, size, seconds) for size in BATCH_SIZES},
        "next_word": _next_word(tf, model.signatures, words, seconds),
    }


def _score(tf, score, texts: list[str], batch_size: int, seconds: float) -> dict:
    batches = [tf.constant(texts[i : i + batch_size]) for i in range(0, len(texts), batch_size)]
    for batch in batches[:3]:
        score(text=batch)
    num_words, calls, began, cpu_began = 0, 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        answer = score(text=batches[calls % len(batches)])
        num_words += int(tf.reduce_sum(answer["num_tokens"]))
        calls += 1
    spent = time.perf_counter() - began
    return {
        "sentences_per_second": calls * batch_size / spent,
        "words_per_second": num_words / spent,
        "cpu_seconds_per_sentence": (time.process_time() - cpu_began) / (calls * batch_size),
        "calls": calls,
    }


def _next_word(tf, call: dict, words: list[str], seconds: float) -> dict:
    """The latency of predicting one more word, including reading the answer."""
    state = call["initial_state"](batch_size=tf.constant(1))
    times, began = [], time.perf_counter()
    while not times or time.perf_counter() - began < seconds:
        word = tf.constant([[words[len(times) % len(words)]]])
        before = time.perf_counter()
        answer = call["next_word"](words=word, **state)
        answer["top_words"].numpy()
        times.append(time.perf_counter() - before)
        state = {name: answer[name] for name in state}
    times = times[10:] or times  # the first ones build the graph
    p50, p99 = np.percentile(times, [50, 99])
    return {"p50_seconds": p50, "p99_seconds": p99, "calls": len(times)}


def _matmul_flops(tf, size: int = 2048) -> float:
    """The rate of the fastest of five matrix products."""
    matrix = tf.random.stateless_uniform([size, size], [1, 2])
    times = []
    for _ in range(5):
        began = time.perf_counter()
        tf.matmul(matrix, matrix)[0, 0].numpy()
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)
