"""`import ptb` as docs/index.md shows it."""

import contextlib
import dataclasses
import math
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import ptb
from ptb.data.corpus import Corpus
from ptb.data.options import TextOptions
from ptb.data.text import join
from ptb.data.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def text():
    return ptb.load_corpus()


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The names that the page's example leaves, run in `root` with the model `test`.

    `export` is its last line, which takes seconds and is left to a slow test.
    """
    folder = tmp_path_factory.mktemp("example")
    (folder / "my_text").mkdir()
    lines = [f"the {a} {b} the {b}\n" for a in "abcd" for b in "wxyz"]
    for split, times in (("train", 12), ("valid", 2), ("test", 3)):
        (folder / "my_text" / f"{split}.txt").write_text("".join(lines) * times)
    (code,) = re.findall(
        "```python\n(import ptb\n.*?)```", (ROOT / "docs/index.md").read_text("utf-8"), re.S
    )
    assert 'preset("small")' in code
    code, export = code.replace('preset("small")', 'preset("test")').split("folder = ")
    names = {"printed": []}
    names["print"] = names["printed"].append
    (folder / "other.txt").write_text(lines[0] * 2)
    with contextlib.chdir(folder):
        exec(code, names)
    return SimpleNamespace(**names, root=folder, export=export, names=names)


def test_the_example_trains_evaluates_and_generates(example):
    report, test, valid, other, text = example.printed
    assert example.result.reports == (report,)
    assert (example.result.best, report.epoch) == (report, 1)
    assert (test, example.result.test.tokens) == (example.result.test.perplexity, 3 * 16 * 6 - 1)
    assert valid == pytest.approx(report.valid_perplexity, rel=0.1)  # which reads rows side by side
    assert 1 < other < 20
    assert text.startswith("the")
    assert len(text.replace("\n", " <eos> ").split()) == 21


@pytest.mark.slow
def test_the_example_exports(example):
    with contextlib.chdir(example.root):
        folder = eval(example.export, example.names)
    assert folder == Path("exported/1")
    assert (example.root / folder / "saved_model.pb").exists()


def test_a_saved_run_is_what_the_training_gave(example):
    for name, weight in example.result.trained.weights.items():
        np.testing.assert_array_equal(example.trained.weights[name], weight)
    assert ptb.evaluate(example.trained, example.corpus).nats == example.result.test.nats


def test_a_finished_run_that_is_trained_again_gives_the_same_result(example):
    again = ptb.train(ptb.preset("test"), example.corpus, example.root / "run")
    assert again.reports == example.result.reports
    assert again.test.nats == example.result.test.nats


def test_what_does_not_fit_is_refused_with_the_value_and_the_remedy(example, tmp_path):
    trained, corpus = example.trained, example.corpus
    with pytest.raises(ValueError, match=r"trained\.vocabulary"):
        ptb.evaluate(trained, ptb.load_corpus())
    with pytest.raises(ValueError, match=r"split=tset .*train, valid"):
        ptb.evaluate(trained, corpus, "tset")
    with pytest.raises(ValueError, match=r"options=TextOptions\(tokens='word', lowercase=False\)"):
        (tmp_path / "other.txt").write_text("The a w the w\n" * 40)
        options = TextOptions(lowercase=True)
        other = ptb.load_corpus(tmp_path / "other.txt", 10, trained.vocabulary, options)
        ptb.evaluate(trained, other)
    (tmp_path / "other.txt").unlink()
    same = ptb.load_corpus(example.root / "my_text", 10, trained.vocabulary, options)
    assert ptb.evaluate(trained, same).nats == example.result.test.nats
    with pytest.raises(ValueError, match=r"valid .*too short: a text of 1 tokens"):
        short = Corpus("hand", corpus.vocabulary, corpus.splits | {"valid": corpus.valid[:1]})
        ptb.train(ptb.preset("test"), short, tmp_path)
    with pytest.raises(ValueError, match=r"on_divergence=rollback .*save_path"):
        save = ptb.SaveOptions(on_divergence="rollback")
        ptb.train(ptb.preset("test"), corpus, save=save)
    with pytest.raises(ValueError, match="options has no effect on the built-in text"):
        ptb.load_corpus(options=TextOptions(tokens="char"))
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_scored_whole_and_read_as_the_run_reads(example, tmp_path):
    words = example.trained.vocabulary.decode(example.corpus.test[:40])
    (tmp_path / "other.txt").write_text("".join(join(words, "word")))
    for path in ("", tmp_path, tmp_path / "missing.txt"):
        with pytest.raises(ValueError, match="is not a file"):
            ptb.load_whole(path, example.trained)
    other = ptb.load_whole(tmp_path / "other.txt", example.trained)
    ids = list(example.corpus.test[:40])
    eos = example.trained.vocabulary.eos_id
    expected = ids if ids[-1] == eos else [*ids, eos]
    assert {split: list(found) for split, found in other.splits.items()} == {"whole": expected}
    assert ptb.evaluate(example.trained, other).tokens == len(expected) - 1


@pytest.mark.parametrize("parse", [False, True])
def test_a_program_may_have_a_flag_named_distribution_of_its_own(parse):
    code = (
        "import ptb; from absl import flags; flags.DEFINE_string('distribution', 'mirrored', '');"
        f"{'flags.FLAGS([chr(120)]);' * parse} print(ptb.start_tensorflow())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n"), done.stderr


def test_a_corpus_made_by_hand_keeps_its_tokens(tmp_path):
    ids = np.tile(np.arange(4, dtype=np.int32), 60)
    words = Vocabulary(["a", "b", "c", "<eos>"])
    made = Corpus("hand", words, {"train": ids, "valid": ids}, tokens="char")
    config = dataclasses.replace(ptb.preset("test"), num_epochs=1)
    ptb.train(config, made, tmp_path / "run")
    trained = ptb.load_run(tmp_path / "run")
    assert trained.tokens == "char"
    assert trained.split("abc") == ["a", "b", "c"]


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no_such_name"):
        ptb.no_such_name  # noqa: B018
    assert {"train", "load_corpus", "generate"} <= set(dir(ptb))


def test_a_users_models_py_that_hides_the_package_is_named(tmp_path):
    (tmp_path / "models.py").write_text("")
    code = f"import sys; sys.path.append({str(ROOT)!r}); import ptb; ptb.train"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: ptb needs its own package `models`")
    assert f"{tmp_path / 'models.py'}" in message


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda text: ptb.train("small", text), "config is of type str"),
        (lambda text: ptb.train(ptb.preset("test"), "DIR"), "corpus is of type str"),
        (lambda text: ptb.train(ptb.preset("test"), text, save={}), "save is of type dict"),
        (lambda text: ptb.train(ptb.preset("test"), text, on_epoch=3), "on_epoch is of type int"),
        (
            lambda text: ptb.train(ptb.preset("test"), text, change="seed"),
            "change='seed' is of type",
        ),
        (lambda text: ptb.load_corpus("DIR", vocabulary=["a"]), "vocabulary is of type list"),
        (lambda text: ptb.load_corpus("DIR", options={}), "options is of type dict"),
        (lambda text: ptb.evaluate("run", text), "trained is of type str"),
        (lambda text: ptb.generate("run"), "trained is of type str"),
        (lambda text: ptb.export("run", "out"), "trained is of type str"),
    ],
)
def test_an_argument_of_another_type_is_refused_at_once(text, call, said):
    with pytest.raises(TypeError, match=said):
        call(text)


@pytest.mark.parametrize(
    "values",
    [
        {"num_words": -1},
        {"num_words": 2.5},
        {"temperature": math.nan},
        {"top_k": -2},
        {"top_p": 1.1},
        {"prefix": b"the"},
    ],
    ids=str,
)
def test_a_value_that_generates_nothing_is_refused_by_name(example, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        ptb.generate(example.trained, **values)


@pytest.mark.parametrize("values", [{"split": 3}, {"batch_size": 0}, {"batch_size": 2.0}], ids=str)
def test_a_value_that_evaluates_nothing_is_refused_by_name(example, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        ptb.evaluate(example.trained, example.corpus, **values)
