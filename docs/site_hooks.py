"""Builds the documentation site from the repository as it is: python3 -m mkdocs build --strict

Pages link to each other, to results and to code by the relative paths that a repository host needs,
such as `../results/gpu.md`. MkDocs resolves a link by the path of its source. So every file keeps
its path in the repository as its source, and only the address in the site lacks `docs/`.

The site has all pages of `docs/` and `results/`, CONTRIBUTING.md, and every file that a page links
to: code is shown with line numbers, a folder as a list, and a notebook as a page. All else, such as
a CSV file or a picture, is copied. Formulas are drawn when the site is built.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import posixpath
import re
from html import escape
from pathlib import Path, PurePosixPath

import ziamath
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

from ptb.training.config import Config

ROOT = Path(__file__).parents[1]
ziamath.config.svg2 = False  # shapes without ids, which two formulas of a page would share
PAGES = ("docs/*.md", "docs/*.ipynb", "results/**/*.md", "CONTRIBUTING.md")
COPIED = {".csv", ".html", ".json", ".jsonl", ".png", ".svg"}
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")


def on_config(config: MkDocsConfig) -> None:
    """Sets what a YAML file cannot say, and puts the results' pages into the navigation."""
    config.mdx_configs["toc"]["slugify"] = anchor
    fence = {"name": "math", "class": "formula", "format": formula}
    config.mdx_configs["pymdownx.superfences"] = {"custom_fences": [fence]}
    named: set[str] = set()
    config.nav = _with_globs(config.nav, named) if config.nav else None


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replaces the files of docs/ by those of the repository that belong to the site."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    assets = [file for file in files if file.src_uri.startswith("assets/")]
    found: dict[str, File] = {}
    waiting = sorted(_paths(*PAGES))
    in_nav = set(waiting)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found[path] = file = _file(path, config)
        if path not in in_nav:
            file.inclusion = InclusionLevel.NOT_IN_NAV
        if file.is_documentation_page():
            waiting += _linked(path, file.content_string)
    return Files([*theme, *assets, *found.values()])


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Writes the table of hyperparameters where the page of the API asks for it."""
    return markdown.replace("<!-- every field of Config -->", _hyperparameters())


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Tells a screen reader the language of a Chinese page, and the name of the search box."""
    if page.file.src_uri.endswith(".zh.md"):
        output = output.replace('<html lang="en"', '<html lang="zh"', 1)
    return output.replace('role="dialog">', 'role="dialog" aria-label="Search">', 1)


def anchor(heading: str, separator: str) -> str:
    """The anchor of a heading, as a repository host makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def formula(source: str, language, class_name: str, options, md, **kwargs) -> str:
    """A block of LaTeX as an SVG, which a browser draws without a script or a font."""
    # The drawing knows `align*`; a formula on a repository host is `aligned`.
    latex = re.sub(r"{aligned}", "{align*}", source.strip())
    drawn = ziamath.Latex(latex, size=20, color="currentColor").svg()
    return f'<div class="{class_name}" role="img" aria-label="{escape(source)}">{drawn}</div>'


class _AsPage(File):
    """A file that is no Markdown and that the site shows as a page."""

    def is_documentation_page(self) -> bool:
        return True


def _file(path: str, config: MkDocsConfig) -> File:
    """The file of the site for a path of the repository."""
    suffix = PurePosixPath(path).suffix
    if suffix == ".md" or suffix in COPIED:
        file = File(path, str(ROOT), config.site_dir, config.use_directory_urls)
    else:
        file = _AsPage.generated(config, path, content=_content(path))
        if (ROOT / path).is_dir() or suffix != ".ipynb":
            # Without the suffix cut off, a.py and a.json of one folder have two addresses.
            file.dest_uri = f"{path}/index.html"
    file.dest_uri = file.dest_uri.removeprefix("docs/")
    if path == "README.md":
        file.dest_uri = "readme/index.html"  # docs/index.md is the start page
    return file


def _content(path: str) -> str:
    """A folder, a notebook or a file of code as Markdown."""
    full = ROOT / path
    if full.is_dir():
        names = sorted(each.name for each in full.iterdir() if not each.name.startswith((".", "_")))
        links = [f"- [{name}]({full.name}/{name})" for name in names]
        return _unsearched("\n".join([f"# {path}", "", *links]))
    text = full.read_text(encoding="utf-8")
    if full.suffix == ".ipynb":
        return "\n\n".join(_cells(json.loads(text)["cells"]))
    try:
        lexer = get_lexer_for_filename(full.name)
    except ClassNotFound:
        lexer = TextLexer()
    spans = HtmlFormatter(linespans="L", linenos="inline", wrapcode=True)
    lines = re.sub(r'id="L-(\d+)"', r'id="L\1"', highlight(text, lexer, spans))
    return _unsearched(f"# {path}\n\n{lines}")


def _unsearched(markdown: str) -> str:
    return f"---\nsearch:\n  exclude: true\n---\n{markdown}"


def _cells(cells: list[dict]):
    """Each cell of a notebook, and behind it what it gave."""
    heading = ""
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = source.partition("\n")[0].lstrip("# ")
            yield source
            continue
        yield f"```python\n{source}\n```"
        for output in cell["outputs"]:
            if "text" in output:
                yield f"```text\n{''.join(output['text']).rstrip()}\n```"
            elif png := output.get("data", {}).get("image/png"):
                encoded = "".join("".join(png).split())
                yield f'<p><img alt="{heading}" src="data:image/png;base64,{encoded}"></p>'


def _linked(path: str, markdown: str) -> list[str]:
    """The paths of the repository that a page links to."""
    targets = [
        posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        for target in LINK.findall(markdown)
        if "://" not in target
    ]
    return [each for each in targets if not each.startswith("..") and (ROOT / each).exists()]


@functools.cache
def _hyperparameters() -> str:
    """Every field of `Config` with its default, its bounds and its help, as a table."""
    rows = ["| Field | Default | Values | Meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(Config):
        low, high, choices = (field.metadata[key] for key in ("low", "high", "choices"))
        if choices:
            values = ", ".join(f"`{choice}`" for choice in choices)
        else:
            values = "" if low is None else f"{low:,} to {high:,}"
        rows.append(
            f"| `{field.name}` | `{field.default!r}` | {values} | {field.metadata['help']} |"
        )
    return "\n".join(rows)


def _paths(*patterns: str) -> set[str]:
    return {
        each.relative_to(ROOT).as_posix() for pattern in patterns for each in ROOT.glob(pattern)
    }


def _with_globs(nav: list, named: set[str]) -> list:
    """The navigation with a pattern such as `results/*.md` replaced by the pages that it finds.

    A page that is named before is not named again. Chinese pages answer only to `*.zh.md`.
    """
    items = []
    for item in nav:
        if isinstance(item, str) and "*" in item:
            found = sorted(
                path
                for path in _paths(item) - named
                if path.endswith(".zh.md") == item.endswith(".zh.md")
            )
            named.update(found)
            items += found
        elif isinstance(item, dict):
            ((title, value),) = item.items()
            if isinstance(value, list):
                items.append({title: _with_globs(value, named)})
            else:
                named.add(value)
                items.append(item)
        else:
            named.add(item)
            items.append(item)
    return items
