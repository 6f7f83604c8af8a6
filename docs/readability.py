"""How hard the project's English is to read: python3 -m docs.readability

Counts README.md, the pages of docs/ and results/, the help of every command, and the first lines of
docstrings. Tables, code, pictures, link targets and hidden comments are left out. Prints for each
the number of words, the mean length of a sentence in words, the share of sentences with over 25 and
over 30 words, and the Flesch-Kincaid grade: the school years that a reader needs. Syllables are
counted by Pyphen, which the extra `test` installs. A piece of inline code counts as one word.

    --files              a row for each page too
    --long PAGE ...      the sentences with over 25 words of these pages
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import pyphen

from ptb.command_line.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
HIDDEN = re.compile(r"^---\n.*?\n---\n|```.*?```|<!--.*?-->|<[^>]+>|!\[[^]]*\]\([^)]*\)", re.S)
LINK = re.compile(r"\[((?:[^][]|\[[^]]*\])*)\]\([^)]*\)")
# A sentence ends here: not within "e.g. x" or "0.5", which no capital, code or quotation follows.
END = re.compile(r"(?<=[.!?])[\"*)]*\s+(?=[\"*(]*[A-Z`0-9])|(?<=:)\s+(?=[A-Z])")
WORD = re.compile(r"[A-Za-z0-9][\w'.,/-]*")
SOURCE = "*.py", "models/**/*.py", "ptb/**/*.py"


def sentences(text: str) -> list[str]:
    """The sentences of a text; a heading or an item of a list is one too."""
    text = LINK.sub(r"\1", HIDDEN.sub(" ", text))
    lines = ["" if line.lstrip().startswith("|") else line for line in text.splitlines()]
    text = re.sub(r"^\s*(?:#+|[-*]|\d+\.)\s", "\n\n", "\n".join(lines), flags=re.M)
    text = re.sub(r"`[^`\n]*(?:\n[^`\n]*)?`", "`code`", text)
    blocks = re.split(r"\n\s*\n", text)
    found = (each for block in blocks for each in END.split(" ".join(block.split())))
    return [each for each in found if WORD.search(each)]


def pages() -> dict[str, list[Path]]:
    """The English pages of each group."""
    groups = {
        "README.md": [ROOT / "README.md"],
        "docs/": sorted((ROOT / "docs").glob("*.md")),
        "results/": sorted((ROOT / "results").rglob("*.md")),
    }
    return {
        name: [page for page in found if ".zh." not in page.name] for name, found in groups.items()
    }


def sentences_of(found: list[Path]) -> list[str]:
    return [sentence for page in found for sentence in sentences(page.read_text(encoding="utf-8"))]


def help_texts() -> list[str]:
    """The sentences in the help of all commands, those of a flag that several have counted once."""
    texts: dict[str, None] = {}
    for name in COMMANDS:
        command = [sys.executable, "-m", "ptb", name, "--helpxml"]
        answer = subprocess.run(
            command, cwd=ROOT, check=False, capture_output=True, encoding="utf-8"
        )
        xml = answer.stdout
        root = ElementTree.fromstring(xml[xml.index("<?xml") :])
        # What is indented in the usage is commands and tables.
        usage = root.findtext("usage", "")
        texts[re.sub(r"^( {4,}|python3? |ptb ).*$", "", usage, flags=re.M)] = None
        for flag in root.iter("flag"):
            if flag.findtext("key") == "yes":
                texts[flag.findtext("meaning", "")] = None
    return [sentence for text in texts for sentence in sentences(text)]


def docstrings() -> list[str]:
    """The first line of every docstring: what its module, class or function does."""
    documented = ast.Module, ast.ClassDef, ast.FunctionDef
    files = [file for pattern in SOURCE for file in sorted(ROOT.glob(pattern))]
    found = (
        ast.get_docstring(node)
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, documented)
    )
    return [s for text in found if text for s in sentences(text.split("\n\n")[0])]


def row(name: str, found: Iterable[str]) -> str:
    """A line of the table."""
    syllables = pyphen.Pyphen(lang="en_US")
    words = [WORD.findall(sentence) for sentence in found]
    counts = [len(each) for each in words]
    total = sum(counts)
    parts = sum(len(syllables.positions(word)) + 1 for each in words for word in each)
    mean = total / len(counts)
    over = [100 * sum(n > limit for n in counts) / len(counts) for limit in (25, 30)]
    grade = 0.39 * mean + 11.8 * parts / total - 15.59
    return f"{name:28} {total:>7,} {mean:6.1f} {over[0]:6.1f}% {over[1]:6.1f}% {grade:6.1f}"


def long_sentences(page: Path) -> list[str]:
    """The sentences with over 25 words of a page."""
    return [s for s in sentences(page.read_text(encoding="utf-8")) if len(WORD.findall(s)) > 25]


def main() -> None:
    if sys.argv[1:2] == ["--long"]:
        print(
            "\n".join(f"{name}: {s}" for name in sys.argv[2:] for s in long_sentences(Path(name)))
        )
        return
    print(f"{'':28} {'words':>7} {'a sent.':>6} {'>25':>6} {'>30':>7} {'grade':>6}")
    groups = pages()
    for title, found in groups.items():
        print(row(title, sentences_of(found)))
    for title, text in (("help", help_texts()), ("docstrings", docstrings())):
        print(row(title, text))
    if "--files" in sys.argv:
        for page in (*groups["docs/"], *groups["results/"]):
            print(row(str(page.relative_to(ROOT))[-28:], sentences_of([page])))


if __name__ == "__main__":
    main()
