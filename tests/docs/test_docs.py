"""The pages point to what is there, in both languages, and the notebook runs."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from docs.code_lines import LINK, with_lines_of_now
from studies.study import findings

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
def test_the_code_of_a_page_runs_and_learns():
    pages = [DOCS / f"batch_size_and_num_steps{language}.md" for language in ("", ".zh")]
    codes = [re.findall("```python\n(.*?)```", page.read_text("utf-8"), re.S) for page in pages]
    assert codes[0] == codes[1]
    (code,) = codes[0]
    names = {}
    exec(code, names)
    first, last = names["train_perplexity"]
    # A model of the words' shares alone comes to 68.
    assert names["text"].grammar.perplexity_floor() < last < 20 < first


@pytest.mark.slow
def test_the_notebook_runs_from_beginning_to_end():
    notebook = nbformat.read(DOCS / "tour.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
