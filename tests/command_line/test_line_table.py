"""The scores of lines as a table, CSV and JSON lines."""

import csv
import json

import numpy as np

from ptb.command_line import line_table
from ptb.data.vocabulary import Vocabulary
from ptb.training.line_scores import LineScores

VOCABULARY = Vocabulary(["<eos>", "<unk>", 'a"b', "c,d"])
IDS = np.array([0, 2, 3, 1, 0], np.int32)
SCORES = LineScores(np.array([0, 1, 5]), np.array([0.0, 4 * np.log(3)]), np.array([0, 4]))
ROWS = list(line_table.rows("x.txt", SCORES, IDS, VOCABULARY, "word"))


def test_a_line_has_its_number_tokens_nats_perplexity_and_text():
    assert ROWS[1] | {"perplexity": 3.0} == {
        "file": "x.txt",
        "line": 2,
        "tokens": 4,
        "unknown": 1,
        "nats": 4 * np.log(3),
        "perplexity": 3.0,
        "text": 'a"b c,d <unk>',
    }
    assert ROWS[0]["perplexity"] is None  # nothing is predicted


def test_csv_and_json_lines_read_back_as_the_same():
    lines = [*line_table.header("csv"), *(line_table.line_of(row, "csv") for row in ROWS)]
    read = list(csv.DictReader(lines))
    assert [row["text"] for row in read] == ["", 'a"b c,d <unk>']
    assert float(read[1]["nats"]) == ROWS[1]["nats"]
    assert [json.loads(line_table.line_of(row, "jsonl")) for row in ROWS] == ROWS
    assert len(line_table.header("table")[0].split()) == 6
    assert line_table.line_of(ROWS[1], "table").split()[:5] == ["2", "4", "1", "4.394", "3.00"]
