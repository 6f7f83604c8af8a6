"""The pages point to what is there, in both languages, and the notebook runs."""

import re
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from docs.code_lines import LINK, with_lines_of_now
from ptb.experiments.studies.study import findings

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


@pytest.mark.parametrize("name", ["batch_size_and_num_steps", "backpropagation_through_time"])
def test_both_languages_have_the_same_links_and_sections(name):
    english, chinese = DOCS / f"{name}.md", DOCS / f"{name}.zh.md"
    targets = [
        sorted(target.replace(".zh.md", ".md") for _, target in links(page))
        for page in (english, chinese)
    ]
    assert targets[0] == targets[1]
    headings = [re.findall("^#+", page.read_text("utf-8"), re.M) for page in (english, chinese)]
    assert headings[0] == headings[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_says_was_measured_is_a_finding_of_the_study(page):
    """`Measured: *one finding* and *another* ([study](...))`, word for word."""
    text = " ".join(page.read_text(encoding="utf-8").split())
    for claims, study in re.findall(r"Measured: (.+?) \(\[(\w+)\]\(", text):
        verdict = (ROOT / "results/studies" / study / "verdict.md").read_text(encoding="utf-8")
        found = [finding.rstrip(".") for finding in findings(verdict)]
        for claim in re.findall(r"\*(.+?)\*", claims):
            assert claim in found


@pytest.mark.slow
def test_the_code_of_a_page_gives_what_the_page_says(tmp_path, monkeypatch):
    pages = [DOCS / f"batch_size_and_num_steps{language}.md" for language in ("", ".zh")]
    texts = [page.read_text("utf-8") for page in pages]
    codes = [re.findall("```python\n(.*?)```", text, re.S) for text in texts]
    tables = [re.findall(r"^\| \d \| ([\d.]+) \| ([\d.]+) \|$", text, re.M) for text in texts]
    assert codes[0] == codes[1]
    assert tables[0] == tables[1]
    (code,) = codes[0]
    names = {}
    monkeypatch.chdir(tmp_path)
    exec(code, names)
    history = names["history"].history
    measured = np.transpose([history["perplexity"], history["val_perplexity"]])
    # The first updates are large: rounding changes the first epoch by a tenth, the second by 2%.
    printed = np.array(tables[0], float)
    assert (np.abs(measured / printed - 1) < [[0.2], [0.05]]).all(), measured
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    reset = names["ResetState"]()
    score = loaded.evaluate(
        names["valid"].dataset(), callbacks=[reset], return_dict=True, verbose=0
    )
    assert score["perplexity"] == pytest.approx(measured[-1, 1], rel=1e-6)


@pytest.mark.slow
def test_the_notebook_runs_from_beginning_to_end():
    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
