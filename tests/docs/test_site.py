"""The documentation site: complete, without a dead link, and whole without a network."""

import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from tests import browser as browsers

ROOT = Path(__file__).parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
NAMED = re.findall(r"(?:docs|results)/[\w./*]+\.(?:md|ipynb|html)", CONFIG)
# Attributes that make a browser fetch something, and the `rel` of such a <link>.
LOADS = {"src", "srcset", "data", "poster"}
LOADING_RELS = {"stylesheet", "icon", "preload", "preconnect", "prefetch", "dns-prefetch"}
LOOKED_AT = (
    "",
    "backpropagation_through_time/",
    "batch_size_and_num_steps.zh/",
    "api/",
    "results/performance/",
)
QUERIES = {"truncated backpropagation": "misconceptions/", "梯度": ".zh/"}


class Read(HTMLParser):
    """What a page has: its anchors, its links, and what a browser loads with it."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.loads += [value for key, value in attrs.items() if key in LOADS and value]
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "link" and LOADING_RELS & set(attrs.get("rel", "").split()):
            self.loads.append(attrs["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site that was built without a warning."""
    for module in ("material", "mkdocstrings", "ziamath", "jieba"):
        pytest.importorskip(module, reason='pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", f"--site-dir={folder}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Read(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def address(site):
    """The site as `python3 -m http.server` shows it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    driver = browsers.start(tmp_path_factory.mktemp("browser"))
    yield driver
    driver.quit()


def show(driver, page):
    driver.get("about:blank")
    driver.get(page)
    loaded = "return document.readyState == 'complete'"
    browsers.WebDriverWait(driver, 60).until(lambda each: each.execute_script(loaded))


def test_the_navigation_names_every_page():
    paths = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.ipynb")]
    paths += (ROOT / "docs").glob("*.html")
    paths += (ROOT / "results").rglob("*.md")
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    assert [name for name in names if not any(fnmatch(name, one) for one in NAMED)] == []


@pytest.mark.slow
def test_every_page_has_an_address(site):
    for page in (ROOT / "docs").glob("*.md"):
        folder = site if page.stem == "index" else site / page.stem
        assert (folder / "index.html").exists(), page.name
    for page in (ROOT / "results").rglob("*.md"):
        below = page.relative_to(ROOT)
        folder = below.parent if page.stem == "README" else below.with_suffix("")
        assert (site / folder / "index.html").exists(), below
    assert (site / "tour/index.html").exists() and (site / "explore.html").exists()


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(site, pages):
    loads = [(path.name, url) for path, page in pages.items() for url in page.loads]
    for path in site.rglob("*.css"):
        style = path.read_text(encoding="utf-8")
        loads += [
            (path.name, url) for url in re.findall(r"(?:url\(|@import)\s*[\"']?([^)\"';]+)", style)
        ]
    assert len(loads) > 100
    assert [load for load in loads if urlsplit(load[1]).scheme not in ("", "data")] == []
    assert [load for load in loads if load[1].startswith("//")] == []


@pytest.mark.slow
def test_no_link_leads_nowhere(site, pages):
    dead = []
    for path, page in pages.items():
        here = f"/{path.relative_to(site).as_posix()}"
        for link in page.links:
            parts = urlsplit(urljoin(here, link))
            if parts.scheme or parts.netloc:
                continue
            target = site / unquote(parts.path).lstrip("/")
            target = target / "index.html" if target.is_dir() else target
            anchor, anchors = (
                unquote(parts.fragment),
                pages[target].anchors if target in pages else (),
            )
            # The interactive page reads its settings from what is behind the #.
            known = not anchor or anchor in anchors or target.name == "explore.html"
            if not target.is_file() or not known:
                dead.append((here, link))
    assert sum(len(page.links) for page in pages.values()) > 1000
    assert dead == []


@pytest.mark.slow
def test_a_link_to_code_shows_the_line(site):
    cells = (ROOT / "models/cells.py").read_text(encoding="utf-8").splitlines()
    line = cells.index("class GRUCell(Cell):") + 1
    page = (site / "models/cells.py/index.html").read_text(encoding="utf-8")
    shown = page.partition(f'<span id="L{line}">')[2].partition("\n")[0]
    assert re.sub("<.*?>", "", shown).strip() == f"{line}class GRUCell(Cell):"


@pytest.mark.slow
def test_the_page_of_the_api_has_every_name(pages, site):
    import ptb  # noqa: PLC0415

    anchors = pages[site / "api/index.html"].anchors
    assert [name for name in ptb.__all__ if f"ptb.{name}" not in anchors] == []


@pytest.mark.slow
@browsers.needed
@pytest.mark.parametrize("query", QUERIES)
def test_the_search_finds_pages_in_both_languages(address, driver, query):
    browsers.resize(driver, None)
    show(driver, address)
    box = driver.find_element(browsers.By.NAME, "query")
    box.click()
    box.send_keys(query)
    found = lambda each: each.find_elements(  # noqa: E731
        browsers.By.CSS_SELECTOR, "a.md-search-result__link"
    )
    links = browsers.WebDriverWait(driver, 60).until(found)
    targets = [urlsplit(link.get_attribute("href")).path for link in links]
    assert any(target.endswith(QUERIES[query]) for target in targets), targets


@pytest.fixture(params=[1280, 375])
def width(request, driver):
    """The width of the window, in pixels."""
    browsers.resize(driver, request.param)
    return request.param


@pytest.fixture(params=LOOKED_AT)
def shown(request, address, driver, width):
    """A page that is shown at that width."""
    show(driver, address + request.param)


@pytest.mark.slow
@browsers.needed
def test_a_page_fits_its_window_and_asks_no_other_host(address, driver, width, shown):
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    loaded = "return performance.getEntriesByType('resource').map(each => each.name)"
    urls = driver.execute_script(loaded)
    assert urls and all(url.startswith((address, "data:")) for url in urls), urls


@pytest.mark.slow
@browsers.needed
@browsers.axe_needed
def test_a_page_is_accessible(driver, shown):
    assert browsers.serious_findings(driver) == []
