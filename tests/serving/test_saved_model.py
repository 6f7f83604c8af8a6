"""The export as a client sees it: by its signatures alone."""

import contextlib
import errno
import json
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from ptb.data.vocabulary import EOS
from ptb.serving import model_card, saved_model
from ptb.serving.limits import MAX_TEXT_BYTES, MAX_TOKENS, MAX_VALUES, MAX_WORDS, max_rows
from ptb.serving.refusal import Refused
from ptb.serving.sampling import Sampling
from ptb.serving.saved_model import served_model

WORDS = ["the", "cat", "sat", EOS, "zebra", "on"]


def next_word(loaded, words, state):
    """The answer and the state after it."""
    answer = loaded.call["next_word"](words=tf.constant(words), **state)
    return answer, {name: answer[name] for name in state}


def initial_state(loaded, batch_size=1):
    return loaded.call["initial_state"](batch_size=tf.constant(batch_size))


def generate(loaded, prefix, num_words=5, temperature=1.0, top_k=0, seed=3):
    return loaded.call["generate"](
        prefix=tf.constant(prefix, tf.string),
        num_words=tf.constant(num_words),
        temperature=tf.constant(temperature),
        top_k=tf.constant(top_k),
        seed=tf.constant(seed),
    )


def test_the_export_scores_and_writes_as_the_model_in_this_process(loaded, served):
    texts = tf.constant(["the cat sat", "zebra on\nthe mat", ""])
    given, expected = loaded.call["score"](text=texts), served.score(texts)
    for name in expected:
        if expected[name].dtype == tf.float32:
            np.testing.assert_allclose(given[name], expected[name], rtol=1e-5)
        else:
            np.testing.assert_array_equal(given[name], expected[name])
    written = generate(loaded, ["the cat", "", "the cat"], 8, 0.8, 6, 4)
    for row, prefix in enumerate(("the cat", "", "the cat")):
        words = list(served.stream(prefix.split(), 8, Sampling(0.8, 6), 4, row))
        text = re.sub(" ?\n ?", "\n", " ".join([prefix, *words]).replace(EOS, "\n")).strip(" ")
        assert written["text"].numpy()[row].decode() == text
    assert written["text"][0] != written["text"][2]


def test_ids_give_the_scores_that_their_words_give(loaded, trained):
    words = [["the", "cat", "sat"], ["dog", "", ""]]
    ids = [[trained.vocabulary.id_of(word) if word else -1 for word in row] for row in words]
    by_word, _ = next_word(loaded, words, initial_state(loaded, 2))
    next_id = tf.saved_model.load(str(loaded.path)).signatures["next_id"]
    answer = next_id(ids=tf.constant(ids), **initial_state(loaded, 2))
    log_probs = tf.nn.log_softmax(answer["logits"])
    np.testing.assert_allclose(log_probs, by_word["log_probs"], rtol=1e-5)
    assert set(answer) == {"logits", *initial_state(loaded)}
    for wrong in (-2, len(trained.vocabulary)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="an id is out of bounds"):
            next_id(ids=tf.constant([[wrong]]), **initial_state(loaded))


def test_word_by_word_equals_the_whole_text_at_once(loaded):
    whole, last = next_word(loaded, [WORDS], initial_state(loaded))
    state, unknown = initial_state(loaded), 0
    for word in WORDS:
        answer, state = next_word(loaded, [[word]], state)
        unknown += int(answer["num_unknown"][0])
    np.testing.assert_allclose(answer["log_probs"], whole["log_probs"], rtol=1e-5)
    for name in state:
        np.testing.assert_allclose(state[name], last[name], atol=1e-6)
    assert unknown == int(whole["num_unknown"][0]) == 1
    assert answer["top_words"].numpy().tolist() == whole["top_words"].numpy().tolist()


def test_two_interleaved_clients_get_what_each_gets_alone(loaded):
    texts = [["the", "cat", "sat"], ["dog", "ran", "on"]]
    alone = []
    for text in texts:
        state = initial_state(loaded)
        for word in text:
            answer, state = next_word(loaded, [[word]], state)
        alone.append(answer["log_probs"].numpy())
    states = [initial_state(loaded) for _ in texts]
    for words in zip(*texts, strict=True):
        for client, word in enumerate(words):
            answer, states[client] = next_word(loaded, [[word]], states[client])
            if word == texts[client][-1]:
                np.testing.assert_array_equal(answer["log_probs"], alone[client])
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_rows_of_a_batch_do_not_influence_each_other(loaded):
    rows = [["the", "cat", "sat"], ["dog", "", ""], ["", "", ""]]
    together, state = next_word(loaded, rows, initial_state(loaded, 3))
    for row, words in enumerate(rows):
        alone, alone_state = next_word(
            loaded, [[w for w in words if w] or [""]], initial_state(loaded)
        )
        np.testing.assert_allclose(together["log_probs"][row], alone["log_probs"][0], rtol=1e-5)
        for name in state:
            np.testing.assert_allclose(state[name][row], alone_state[name][0], atol=1e-6)


def test_next_word_is_a_distribution_and_its_best_words(loaded, trained):
    answer, state = next_word(loaded, [WORDS], initial_state(loaded))
    log_probs = answer["log_probs"].numpy()[0]
    assert np.exp(log_probs).sum() == pytest.approx(1, rel=1e-5)
    best = np.argsort(-log_probs)[:10]
    assert answer["top_words"].numpy()[0].tolist() == [
        trained.vocabulary.words[i].encode() for i in best
    ]
    np.testing.assert_array_equal(answer["top_log_probs"][0], log_probs[best])
    # No words: what the state already says.
    again, _ = next_word(loaded, np.zeros([1, 0], object), state)
    np.testing.assert_allclose(again["log_probs"], answer["log_probs"], rtol=1e-6)


def test_the_greedy_text_is_the_best_word_each_time(loaded):
    text = generate(loaded, ["the cat"], 4, temperature=0.0)["text"].numpy()[0].decode()
    words, state = ["the", "cat"], initial_state(loaded)
    answer, state = next_word(loaded, [words], state)
    for _ in range(4):
        words.append(answer["top_words"].numpy()[0][0].decode())
        answer, state = next_word(loaded, [[words[-1]]], state)
    assert text == re.sub(" ?\n ?", "\n", " ".join(words).replace(EOS, "\n"))


def test_batches_and_texts_of_nothing(loaded):
    assert generate(loaded, ["the cat", " \n"], 0)["text"].numpy().tolist() == [b"the cat", b"\n"]
    assert generate(loaded, [])["text"].shape == (0,)
    assert generate(loaded, [""], 3)["num_unknown"].numpy().tolist() == [0]
    answer, _ = next_word(loaded, np.zeros([0, 0], object), initial_state(loaded, 0))
    assert answer["log_probs"].shape == (0, 13)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"num_words": -1}, "num_words=-1 is out of bounds"),
        ({"num_words": 1_000_000}, f"0 to {MAX_WORDS:,}"),
        ({"prefix": ["the"] * 14, "num_words": MAX_WORDS}, "num_words=10000 for 14 rows"),
        ({"temperature": -1.0}, "temperature=-1 is out of bounds"),
        ({"temperature": float("nan")}, "temperature=nan is out of bounds"),
        ({"top_k": -1}, "top_k=-1 is out of bounds"),
        ({"prefix": ["the " * (MAX_TOKENS + 1)]}, f"at most {MAX_TOKENS:,}"),
    ],
)
def test_bad_input_is_refused_by_name(loaded, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(message)):
        generate(loaded, **({"prefix": ["the"]} | inputs))


def test_a_state_of_another_batch_is_refused(loaded):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"2 rows .*1"):
        next_word(loaded, [["the"]], initial_state(loaded, 2))
    with pytest.raises(tf.errors.InvalidArgumentError, match="batch_size=-1"):
        initial_state(loaded, -1)


def test_the_memory_of_a_call_is_bounded(loaded, trained):
    most = max_rows(13, 24)  # two layers of 6, c and h
    assert most * (13 + 24) <= MAX_VALUES
    message = f"{most + 1} rows are more than the {most:,} of one call"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        initial_state(loaded, most + 1)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{MAX_TOKENS:,}"):
        loaded.call["score"](text=tf.fill([MAX_TOKENS + 1], ""))
    # However few tokens it has.
    spaces = " " * (MAX_TEXT_BYTES // 2)
    assert loaded.call["score"](text=tf.constant([spaces, spaces]))["tokens"].shape == (2, 0)
    message = f"{MAX_TEXT_BYTES + 1} bytes, and one call reads at most {MAX_TEXT_BYTES:,}"
    for call in (
        lambda texts: loaded.call["score"](text=texts),
        lambda texts: generate(loaded, texts),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            call(tf.constant([spaces, f"{spaces} "]))
    with pytest.raises(Refused, match=message):
        loaded.look_inside(f"{spaces}{spaces} ", 1, 0, [0])
    assert max_rows(10**9, 24) == 1


@pytest.mark.slow
def test_the_rows_that_get_scores_are_bounded(trained, monkeypatch):
    monkeypatch.setattr("ptb.serving.limits.MAX_VALUES", 3 * (13 + 24))
    with served_model(trained) as module:
        call = module.signatures()
        zeros = call["initial_state"](batch_size=tf.constant(3))
        assert call["next_word"](words=tf.fill([3, 1], "a"), **zeros)["log_probs"].shape == (3, 13)
        state = {name: tf.concat([value, value], 0) for name, value in zeros.items()}
        for ask in (
            lambda: call["next_word"](words=tf.fill([6, 1], "a"), **state),
            lambda: call["score"](text=tf.fill([6], "a")),
            lambda: call["generate"](
                prefix=tf.fill([6], "a"),
                num_words=tf.constant(1),
                temperature=tf.constant(1.0),
                top_k=tf.constant(0),
                seed=tf.constant(1),
            ),
        ):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"6 rows .*3"):
                ask()


def test_a_strangers_names_are_text_in_the_readme(export_path):
    names = "# <script>alert(1)</script> [a](http://b) *c* `d` |\n\u202e\x1b _e_ f_g"
    escaped = (
        r"\# \<script\>alert(1)\</script\> \[a\](http://b) \*c\* \`d\` \|\\n\\u202e\\x1b \_e\_ f_g"
    )
    card = json.loads((export_path / "1" / "model_card.json").read_text())
    card |= {"name": names, "corpus": {"name": names, "fingerprint": names}}
    card["versions"]["trained_with"] = {names: names}
    lines = model_card.to_markdown(card).splitlines()
    assert lines[0] == f"# {escaped}"
    assert f"Corpus: {escaped}, fingerprint {escaped}" in lines
    assert f"| {escaped} | {escaped} |" in lines


@pytest.mark.parametrize("error", [
    OSError(errno.ENOSPC, "No space left on device"),
    "{{node}} {folder}/variables.index; No space left on device [Op:MergeV2Checkpoints]",
])  # fmt: skip
def test_an_export_that_cannot_be_written_is_one_line_and_leaves_nothing(
    trained, tmp_path, monkeypatch, error
):
    @contextlib.contextmanager
    def served_model(trained, temporary):
        yield SimpleNamespace(signatures=dict)

    def save(module, folder, signatures):
        (saved_model.Path(folder) / "half").touch()
        if isinstance(error, str):
            raise tf.errors.ResourceExhaustedError(None, None, error.replace("{folder}", folder))
        raise error

    monkeypatch.setattr(saved_model, "served_model", served_model)
    monkeypatch.setattr(tf.saved_model, "save", save)
    message = r"export_path '.*No space left"
    with pytest.raises(ValueError, match=message):
        saved_model.export(trained, tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_the_folder_holds_its_words_and_a_card_without_paths(export_path, trained):
    folder = export_path / "1"
    words = (folder / "assets" / "vocabulary.txt").read_text()
    assert words == trained.vocabulary.to_text()
    text = (folder / "model_card.json").read_text()
    card = json.loads(text)
    assert card["perplexities"] == {"test, exact": 12.5}
    assert card["corpus"]["fingerprint"] == "f00d"
    assert card["versions"]["trained_with"] == {"numpy": np.__version__}
    assert card["signatures"]["next_word"]["inputs"]["words"] == "string [any, any]"
    assert card["signatures"]["next_word"]["outputs"]["log_probs"] == "float32 [any, 13]"
    readme = (folder / "README.md").read_text()
    assert "| test, exact | 12.5 |" in readme
    assert "somebody" not in text + readme
    assert card["limits"]["rows_of_a_call"] == max_rows(13, 24)
    assert f"at most {max_rows(13, 24):,} rows" in readme
    assert [path.name for path in export_path.iterdir()] == ["1"]


def test_exports_get_the_next_number_and_replace_nothing(tmp_path):
    (tmp_path / "3").mkdir()
    (tmp_path / ("9" * 255)).mkdir()  # more digits than a version has
    (tmp_path / "notes").write_text("")
    for name in ("4", "5"):
        folder = tmp_path / "new"
        folder.mkdir()
        (folder / "saved_model.pb").write_text(name)
        assert saved_model._move_to_next_number(folder, tmp_path).name == name
    assert (tmp_path / "4" / "saved_model.pb").read_text() == "4"
    assert list(saved_model.versions(tmp_path)) == [3, 4, 5]


def test_exports_at_the_same_time_get_a_number_each(tmp_path):
    def move(source):
        folder = tmp_path / f"new-{source}"
        folder.mkdir()
        (folder / "saved_model.pb").write_text(str(source))
        return saved_model._move_to_next_number(folder, tmp_path)

    with ThreadPoolExecutor(8) as pool:
        targets = list(pool.map(move, range(40)))
    assert list(saved_model.versions(tmp_path)) == list(range(1, 41))
    for source, target in enumerate(targets):
        assert (target / "saved_model.pb").read_text() == str(source)
