"""The pages point to what is there, in both languages, and the notebook runs."""

import re
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from nbclient import NotebookClient

from docs import by_hand, measured
from docs.code_lines import LINK, with_lines_of_now
from models.cells import BasicRNNCell
from models.static_rnn import static_rnn
from ptb.experiments.records.record import column, read_result
from ptb.experiments.studies.findings import findings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ALL_PAGES = sorted([*ROOT.glob("*.md"), *PAGES, *(ROOT / "results").rglob("*.md")])


def links(page):
    """`(text, target)` of every link and picture of a page, but for links out of the project."""
    found = re.findall(r"\[([^]]*)\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [(text, target) for text, target in found if not target.startswith("http")]


def anchors(page):
    """What a link may name after the `#`: GitHub makes it of each heading."""
    headings = re.findall("^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for _, target in links(page):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_code_has_the_line_of_what_it_names(page):
    text = page.read_text(encoding="utf-8")
    assert len(LINK.findall(text)) == text.count(".py#L")
    assert with_lines_of_now(text) == text, "run python3 docs/code_lines.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_number_of_a_page_is_that_of_its_file_or_closed_form(page):
    text = page.read_text(encoding="utf-8")
    assert measured.unnamed(text) == [], "name them as docs/measured.py says"
    assert measured.with_numbers_of_now(text) == text, "run python3 docs/measured.py"


def test_the_results_of_the_readme_are_those_of_the_records():
    text = (ROOT / "README.md").read_text("utf-8")
    bfloat16 = " --precision=mixed_bfloat16"
    for flags, after, name in (
        ("small", ", last epoch", "small, last epoch: test"),
        ("medium", ", last epoch", "medium, last epoch: test"),
        (f"large{bfloat16} --seed=2", ", last epoch", "large_bfloat16, last epoch: test"),
        ("fast", "", "fast: test"),
        (f"best{bfloat16}", "", "best: test"),
        (f"overnight{bfloat16}", "", "overnight: test"),
    ):
        assert f"| `--model={flags}`{after} | {measured.value(f'record {name}')} |" in text
    assert f" {measured.value('record fast: seconds')} seconds (Intel Xeon) |" in text
    original = measured.value("the original, small: test")
    assert f"a test perplexity of {original} (three seeds;" in " ".join(text.split())
    models = (f"benchmark amd_epyc_family_26/{model}" for model in ("small", "medium", "large"))
    numbers = [measured.value(f"{model}: over tf1_block") for model in models]
    assert f"on family 26, float32 | {' | '.join(numbers)} |" in text
    for processor, folder in (
        ("AMD EPYC of family 26", "amd_epyc_family_26"),
        ("AMD EPYC of family 25", "amd_epyc_family_25"),
        ("Intel Xeon", "xeon_amx"),
    ):
        for precision, ratio in (
            ("float32", "over torch"),
            ("bfloat16", "bfloat16 over torch_bfloat16"),
        ):
            models = (f"benchmark {folder}/{model}" for model in ("small", "medium", "large"))
            numbers = [measured.value(f"{model}: {ratio}") for model in models]
            assert f"| {processor}, {precision} | {' | '.join(numbers)} |" in text


def test_what_the_verifications_printed_is_of_the_records():
    sections = (ROOT / "results/verified.txt").read_text("utf-8").split("\n\n")
    for section in sections:
        command, *lines = section.strip().splitlines()
        folder = ROOT / re.match(r"\$ ptb verify (\S+)", command)[1]
        result = read_result(folder)
        recorded = [
            f"{figure[name]:.4f}"
            for figures in (result, result.get("last_epoch") or {})
            for figure in (figures.get("valid"), figures.get("test"))
            for name in ("perplexity", "bits_per_character", "unknown_share")
            if figure and figure.get(name) is not None
        ]
        if epochs := re.search(r"--max_epochs=(\d+)", command):
            columns = (
                column(folder / "metrics.csv", f"{name}_perplexity") for name in ("train", "valid")
            )
            rows = list(zip(*columns, strict=True))[: int(epochs[1])]
            recorded = [f"{figure:.4f}" for row in rows for figure in row]
        compared = [line for line in lines if ", recorded " in line]
        assert [re.search(r"recorded (\S+):", line)[1] for line in compared] == recorded, command
        assert not [line for line in compared if line.endswith("DIFFERS")]
        assert lines[-1].endswith(" holds")


def test_the_notebook_says_no_number_that_it_does_not_compute():
    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert measured.unnamed("\n\n".join(texts)) == []


def test_a_number_needs_a_name_unless_it_is_a_setting_a_count_or_a_paper():
    page = "Of 20 rows `0.5` ```math 0.25``` (arXiv 1409.2329) # 1.5\n## 8.1 x\n[a](b#L1.5) lost "
    assert measured.unnamed(page + "12%, 1,024 words, 2.5 nats, 3 times, 4 倍") == [
        *("1.5", "12", "1,024", "2.5", "3", "4")
    ]
    assert measured.unnamed("0.50<!--sigmoid(0)--> and 22,507<!--x-->%") == []
    assert measured.with_numbers_of_now("0.1<!--sigmoid(0)-->") == "0.50<!--sigmoid(0)-->"


def test_numbers_come_from_the_rows_that_are_named(tmp_path, monkeypatch):
    (tmp_path / "some").mkdir()
    lines = ["held,seed,nats", "words,1,1", "words,2,3", "updates,1,7"]
    (tmp_path / "some/measurements.csv").write_text("\n".join(lines))
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    assert measured.mean("some", "nats", held="words")() == 2
    assert measured.perplexity("some", "nats", held="words")() == pytest.approx(np.exp(2))
    with pytest.raises(ValueError, match="no row"):
        measured.column("some", "nats", held="seconds")


def test_the_noise_of_the_pages_is_that_of_the_verdict():
    verdict = (ROOT / "results/studies/batch_size/verdict.md").read_text("utf-8")
    (said,) = re.findall(r"after the same words, is (.+?)\. The two", verdict)
    for size in (1, 4, 20, 64, 256):
        of_verdict = re.search(rf"([\d.]+) \([^)]*\) with {size}\b", said)
        assert measured.value(f"noise, batch {size}") == of_verdict[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_by_hand_are_those_of_now(page):
    text = page.read_text(encoding="utf-8")
    assert by_hand.with_tables_of_now(text) == text, "run python3 docs/by_hand.py"


def test_backpropagation_by_hand_is_automatic_differentiation():
    h_0 = tf.constant(by_hand.H_0[None])
    cell = BasicRNNCell(2, dtype="float64")
    cell.build([1, 1])
    cell.set_weights([np.vstack([by_hand.W_X, by_hand.W_H]), np.zeros(2)])
    with tf.GradientTape() as tape:
        tape.watch(h_0)
        outputs, state = static_rnn(cell, [tf.constant([[x]]) for x in by_hand.X], h_0)
        logits = outputs[-1]
        loss = -tf.nn.log_softmax(logits)[0, by_hand.TARGET]
    of_kernel, of_h_0 = tape.gradient(loss, [cell.kernel.value, h_0])
    _, states, p, by_hand_loss = by_hand.forward()
    np.testing.assert_allclose(state, [states[-1]], rtol=1e-12)
    assert by_hand_loss == pytest.approx(float(loss), rel=1e-12)
    np.testing.assert_allclose(np.vstack(by_hand.gradients()), of_kernel, rtol=1e-12)
    np.testing.assert_allclose([by_hand.backward(states, p)[2]], of_h_0, rtol=1e-12)
    clipped, norm = tf.clip_by_global_norm([of_kernel], by_hand.MAX_GRAD_NORM)
    assert by_hand.norm() == pytest.approx(float(norm), rel=1e-12)
    after = np.vstack([by_hand.W_X, by_hand.W_H]) - by_hand.RATE * clipped[0]
    np.testing.assert_allclose(np.vstack(by_hand.updated()), after, rtol=1e-12)


TRANSLATED = ["batch_size_and_num_steps", "backpropagation_through_time", "misconceptions"]


@pytest.mark.parametrize("name", TRANSLATED)
def test_both_languages_have_the_same_links_and_sections(name):
    english, chinese = DOCS / f"{name}.md", DOCS / f"{name}.zh.md"
    # The anchors of headings are in the language of the page.
    targets = [
        sorted(re.sub(r"#(?!L\d).*", "", target.replace(".zh.", ".")) for _, target in links(page))
        for page in (english, chinese)
    ]
    assert targets[0] == targets[1]
    headings = [re.findall("^#+", page.read_text("utf-8"), re.M) for page in (english, chinese)]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("name", TRANSLATED)
def test_both_languages_have_the_same_numbers(name):
    pages = [(DOCS / f"{name}{language}.md").read_text("utf-8") for language in ("", ".zh")]
    numbers = [sorted(match for match in measured.NAMED.findall(page)) for page in pages]
    assert numbers[0] == numbers[1]


@pytest.mark.slow
def test_pytorch_says_what_the_page_quotes_and_detach_makes_a_leaf():
    torch = pytest.importorskip("torch")
    page = " ".join((DOCS / "misconceptions.md").read_text("utf-8").split())
    cell, words = torch.nn.LSTM(3, 2), torch.ones(4, 1, 3)
    optimizer = torch.optim.SGD(cell.parameters(), 0.1)
    messages = []
    for retain_graph in (False, True):
        outputs, state = cell(words)
        assert [h.is_leaf for h in (state[0], state[0].detach())] == [False, True]
        outputs.sum().backward(retain_graph=retain_graph)
        optimizer.step()
        with pytest.raises(RuntimeError) as error:
            cell(words, state)[0].sum().backward(retain_graph=retain_graph)
        messages.append(str(error.value).partition(": [")[0])
    assert all(message in page for message in messages)


WITH_FINDINGS = [page for page in PAGES if "Measured" in page.read_text("utf-8")]


@pytest.mark.parametrize("page", WITH_FINDINGS, ids=lambda page: page.name)
def test_what_a_page_says_was_measured_is_a_finding_of_the_study(page):
    """Measured ([study](...)), and a list of findings, word for word."""
    text = page.read_text(encoding="utf-8")
    claims_of_studies = re.findall(
        r"Measured\s\(\[(\w+)\]\([^)]*\)\):\n\n((?:- \*[^*]+\*\n)+)\n", text
    )
    assert len(claims_of_studies) == len(re.findall(r"\bMeasured\s\(", text)) > 0
    for study, claims in claims_of_studies:
        verdict = (ROOT / "results/studies" / study / "verdict.md").read_text(encoding="utf-8")
        found = [finding.rstrip(".") for finding in findings(verdict)]
        recheck = ROOT / "results/studies" / study / "recheck.md"
        for claim in re.findall(r"\*(.+?)\*", claims):
            assert claim in found
            if recheck.exists():
                assert f"| {claim} | the same |" in recheck.read_text("utf-8").replace(". |", " |")


@pytest.mark.slow
def test_the_code_of_a_page_gives_what_the_page_says(tmp_path, monkeypatch):
    pages = [DOCS / f"batch_size_and_num_steps{language}.md" for language in ("", ".zh")]
    texts = [page.read_text("utf-8") for page in pages]
    codes = [re.findall("```python\n(.*?)```", text, re.S) for text in texts]
    assert codes[0] == codes[1]
    (code,) = codes[0]
    names = {}
    monkeypatch.chdir(tmp_path)
    exec(code, names)
    history = names["history"].history
    trained = np.transpose([history["perplexity"], history["val_perplexity"]])
    # The first updates are large: rounding changes the first epoch by a tenth, the second by 2%.
    columns = ("perplexity", "val_perplexity")
    printed = [measured.column("plain_keras", name, setting="as printed") for name in columns]
    assert (np.abs(trained / np.transpose(printed) - 1) < [[0.2], [0.05]]).all(), trained
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    reset = names["ResetState"]()
    score = loaded.evaluate(
        names["valid"].dataset(), callbacks=[reset], return_dict=True, verbose=0
    )
    assert score["perplexity"] == pytest.approx(trained[-1, 1], rel=1e-6)


@pytest.mark.slow
def test_the_notebook_runs_from_beginning_to_end():
    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
