"""ptb export, ptb generate and ptb serve from the outside."""

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.data.corpus import load_text
from ptb.runs.checkpoint import Checkpoint
from ptb.runs.run_folder import RunFolder
from ptb.training.config import Config
from ptb.training.progress import Progress
from ptb.training.report import EpochReport
from tests.forked import one_line_error, run
from tests.scripts.test_train_and_evaluate import succeed, text  # noqa: F401  (a fixture)


@pytest.fixture
def saved_run(tmp_path, text):  # noqa: F811
    """A run folder as train.py leaves it, made without training."""
    config = Config(hidden_size=8, num_layers=2, num_steps=4)
    corpus = load_text(text)
    folder = RunFolder(tmp_path / "run")
    description = {
        "config": dataclasses.asdict(config),
        "corpus": {"name": "text", "source": corpus.source, "fingerprint": corpus.fingerprint},
    }
    folder.acquire()
    folder.start(description, corpus.vocabulary.to_text())
    model = LanguageModel(len(corpus.vocabulary), 8, recurrent_layers("static", "lstm", 8, 2))
    model.initialize(1.0, seed=1)
    reports = (EpochReport(1, 1.0, 9.0, 8.0, 3.0, 10.0, 100.0),)
    progress = Progress(1, best_epoch=1, reports=reports)
    folder.save_epoch(
        Checkpoint(
            run_id=folder.run_id, progress=progress, weights=model.export_weights(), state=[]
        ),
        keep=1,
    )
    folder.release()
    return folder.path


# What a client has: TensorFlow, and nothing of this project.
CLIENT = """
import json, sys
import tensorflow as tf
call = tf.saved_model.load(sys.argv[1]).signatures
score = call["score"](text=tf.constant([sys.argv[2]]))
text = call["generate"](
    prefix=tf.constant(["the a", "the a"]), num_words=tf.constant(12),
    temperature=tf.constant(0.9), top_k=tf.constant(4), seed=tf.constant(7),
)["text"]
print(json.dumps({
    "nats": -float(score["log_prob"][0]),
    "texts": [row.decode() for row in text.numpy()],
    "ours": [n for n in sys.modules if n in ("models", "ptb", "serving", "training", "keras")],
}))
"""


@pytest.mark.slow
def test_a_client_with_tensorflow_alone_gets_what_evaluate_and_generate_give(
    tmp_path,
    saved_run,
    text,  # noqa: F811
):
    exported = succeed("ptb export", "--save_path=run", "--export_path=out/there", folder=tmp_path)
    assert exported == "out/there/1\n"
    card = json.loads((tmp_path / "out/there/1/model_card.json").read_text())
    test_split = (text / "ptb.test.txt").read_text()
    client = [sys.executable, "-c", CLIENT, str(tmp_path / exported.strip()), test_split]
    done = subprocess.run(client, cwd="/", capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert "models" not in answer["ours"]
    assert "serving" not in answer["ours"]
    tokens = len(test_split.replace("\n", " <eos> ").split())
    perplexity = np.exp(answer["nats"] / (tokens - 1))
    assert perplexity == pytest.approx(card["perplexities"]["test, exact"], rel=1e-5)
    flags = ("--num_words=12", "--temperature=0.9", "--top_k=4", "--seed=7", "--num_samples=2")
    written = succeed("ptb generate", "--save_path=run", "--prefix=the a", *flags, folder=tmp_path)
    assert written == "\n---\n".join(answer["texts"]) + "\n"


def test_an_export_path_that_cannot_be_written(tmp_path, saved_run):
    (tmp_path / "file").write_text("")
    result = run("ptb export", "--save_path=run", "--export_path=file/x", folder=tmp_path)
    one_line_error(result, "ptb export", "'file/x' cannot be written")


@pytest.mark.slow
def test_a_score_prints_and_draws_the_surprisal_of_every_word(tmp_path, saved_run):
    arguments = ("--save_path=run", "--score=the a\nw the", "--plot=s.png")
    printed = succeed("ptb generate", *arguments, folder=tmp_path).splitlines()
    assert [line.split()[1] for line in printed[:-1]] == ["word", "the", "a", "<eos>", "w", "the"]
    bits = [float(line.split()[0]) for line in printed[2:-1]]
    perplexity, nats = re.match(r"perplexity ([\d.]+) \(([\d.]+) nats over 4", printed[-1]).groups()
    assert sum(bits) * np.log(2) == pytest.approx(float(nats), abs=0.02)
    assert float(perplexity) == pytest.approx(np.exp(float(nats) / 4), rel=1e-3)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_word_that_cannot_be_read_is_refused_by_name(tmp_path, saved_run):
    result = run("ptb generate", "--save_path=run", "--prefix=the zebra", folder=tmp_path)
    one_line_error(result, "ptb generate", "'zebra'")


@pytest.mark.slow
def test_inside_a_run_the_surprisal_is_that_of_the_score(tmp_path, saved_run):
    flags = ("--save_path=run", "--text=the a x\nb", "--units=0,5", "--png=inside.png")
    found = json.loads(succeed("ptb explain", "--inside", "--json", *flags, folder=tmp_path))
    score = succeed("ptb generate", "--save_path=run", "--score=the a x\nb", folder=tmp_path)
    nats = float(re.search(r"\(([\d.]+) nats over 4 tokens\)", score)[1])
    assert sum(found["nats"][1:]) == pytest.approx(nats, abs=2e-3)
    assert (found["layer"], found["num_steps"], list(found["units"])) == (1, 4, ["0", "5"])
    assert (tmp_path / "inside.png").read_bytes().startswith(b"\x89PNG")
    table = succeed("ptb explain", "--inside", *flags, "--language=zh", folder=tmp_path)
    assert "第 1 层的单元 5" in table
