"""Prints the scores of lines as a table, as CSV or as JSON lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import numpy as np

from ptb.data.text import join
from ptb.machine import strict_json
from ptb.machine.escape import escape

FORMATS = ("table", "csv", "jsonl")
COLUMNS = ("file", "line", "tokens", "unknown", "nats", "perplexity", "text")


def rows(file: str, scores, ids: np.ndarray, vocabulary, tokens: str) -> Iterator[dict]:
    """Yields a dict of COLUMNS for each line of ids `[N]`, whose `LineScores` are `scores`.

    The text is what the model reads: an unknown word is `<unk>`. `perplexity` is None for a line
    without a predicted token.
    """
    for number, score in enumerate(scores, start=1):
        line = ids[scores.starts[number - 1] : scores.starts[number]]
        unknown = 0 if vocabulary.unknown_id is None else int((line == vocabulary.unknown_id).sum())
        text = "".join(join(vocabulary.decode(line), tokens)).removesuffix("\n")
        perplexity = score.perplexity if score.tokens else None
        values = (file, number, score.tokens, unknown, score.nats, perplexity, text)
        yield dict(zip(COLUMNS, values, strict=True))


def header(kind: str) -> list[str]:
    """The lines before the first row, in the format `kind`, one of FORMATS."""
    if kind == "csv":
        return [",".join(COLUMNS)]
    if kind == "jsonl":
        return []
    return [f"{'line':>7} {'tokens':>7} {'<unk>':>6} {'nats':>10} {'perplexity':>11}  text"]


def line_of(row: dict, kind: str) -> str:
    """One row in the format `kind`, one of FORMATS."""
    if kind == "jsonl":
        return strict_json.dumps(row)
    if kind == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(row.values())
        return text.getvalue()
    perplexity = "-" if row["perplexity"] is None else f"{row['perplexity']:.2f}"
    return (
        f"{row['line']:>7,} {row['tokens']:>7,} {row['unknown']:>6,} {row['nats']:>10.3f} "
        f"{perplexity:>11}  {escape(row['text'], keep=chr(9))}"
    )
