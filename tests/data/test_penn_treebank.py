"""The TFDS dataset: the real download path against a server on this machine."""

import hashlib
import http.server
import io
import tarfile
import threading

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.checksums import UrlInfo

from ptb.data import corpus
from ptb.data.options import TextOptions
from ptb.data.penn_treebank import penn_treebank_dataset_builder as builder_module

Builder = builder_module.Builder
DUMMY_DATA = Builder.code_path.parent / "dummy_data"
TEXTS = {name: (DUMMY_DATA / name).read_bytes() for name in builder_module.FILES.values()}


class PennTreebankTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own checks of a dataset."""

    DATASET_CLASS = Builder
    SPLITS = {"train": 6, "validation": 3, "test": 2}  # noqa: RUF012
    DL_DOWNLOAD_RESULT = builder_module.FILES


def archive(texts):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as members:
        for name, contents in texts.items():
            info = tarfile.TarInfo(f"./simple-examples/data/{name}"[2:])
            info.size = len(contents)
            members.addfile(info, io.BytesIO(contents))
    return file.getvalue()


class Server:
    """Serves `pages`, bytes by path; those in `cut_short` break off half-way."""

    def __init__(self):
        self.pages = {f"/{name}": contents for name, contents in TEXTS.items()}
        self.cut_short, self.requests = set(), []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append(self.path)
                contents = server.pages.get(self.path)
                self.send_response(404 if contents is None else 200)
                contents = contents or b""
                self.send_header("Content-Length", str(len(contents)))
                self.end_headers()
                half = len(contents) // 2 if self.path in server.cut_short else len(contents)
                self.wfile.write(contents[:half])

            def log_message(self, *args):
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch):
    """A server with the dummy texts, in the place of both sources."""
    server = Server()
    infos = {
        server.url + name: UrlInfo(
            tfds.core.utils.Size(len(text)), hashlib.sha256(text).hexdigest(), name
        )
        for name, text in TEXTS.items()
    }
    monkeypatch.setattr(Builder, "FILES_URL", server.url)
    monkeypatch.setattr(Builder, "ARCHIVE_URL", f"{server.url}simple-examples.tgz")
    monkeypatch.setattr(Builder, "url_infos", infos)
    yield server
    server.close()


@pytest.fixture
def expected(tmp_path_factory):
    """What the same texts give without TFDS, which keeps one space between two words."""
    folder = tmp_path_factory.mktemp("texts")
    for name, contents in TEXTS.items():
        lines = contents.decode().removesuffix("\n").split("\n")
        (folder / name).write_text("".join(f"{' '.join(line.split())}\n" for line in lines))
    fingerprints = {
        tokens: corpus.load_text(folder, options=TextOptions(tokens)).fingerprint
        for tokens in ("word", "char")
    }
    # Runs of the dataset keep this one.
    assert fingerprints["char"].startswith("8e37cc5933be")
    return fingerprints


def nothing_is_left(data_dir):
    """Neither a download, whole or half, nor a dataset; TFDS's own note of its configs may stay."""
    return {path.name for path in data_dir.rglob("*") if path.is_file()} <= {"metadata.json"}


@pytest.mark.parametrize("tokens", ["word", "char"])
def test_the_ids_through_tfds_are_those_of_the_text_files(tmp_path, server, expected, tokens):
    loaded = corpus.load_penn_treebank(tokens, tmp_path)
    assert loaded.fingerprint == expected[tokens]
    for split, name in zip(("train", "valid", "test"), TEXTS, strict=True):
        contents = TEXTS[name].decode()
        lines = contents.count("\n")
        # The characters of a line are all but the spaces at its two ends.
        counted = {"word": len(contents.split()) + lines, "char": len(contents) - 2 * lines}
        assert loaded.summary[split].tokens == len(loaded.splits[split]) == counted[tokens]
    dataset = {"word": "ptb", "char": "ptb_char"}[tokens]
    assert loaded.source == {"dataset": dataset, "data_dir": str(tmp_path), "tokens": tokens}


def test_a_prepared_dataset_and_downloaded_files_are_not_fetched_again(tmp_path, server, expected):
    corpus.load_penn_treebank("word", tmp_path)
    asked = len(server.requests)
    assert corpus.load_penn_treebank("word", tmp_path).fingerprint == expected["word"]
    assert corpus.load_penn_treebank("char", tmp_path).fingerprint == expected["char"]
    assert len(server.requests) == asked


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("checksum", "wrong checksum"),
        ("truncation", "the download broke off"),
        ("html", "ptb.valid.txt is a web page"),
        ("missing", "HTTP status 404"),
    ],
)
def test_a_bad_download_says_so_leaves_nothing_and_the_next_try_works(
    tmp_path, server, expected, spoil, reason
):
    page = "/ptb.valid.txt"
    good = server.pages[page]
    if spoil == "truncation":
        server.cut_short.add(page)
        server.pages[page] = good * 2000
    elif spoil == "missing":
        del server.pages[page]
    else:
        server.pages[page] = {
            "checksum": good.replace(b"bakery", b"Bakery"),
            "html": b"\n<!DOCTYPE html><html>Sign in to continue</html>",
        }[spoil]
    with pytest.raises(ValueError, match=reason) as error:
        corpus.load_penn_treebank("word", tmp_path)
    assert "put ptb.train.txt, ptb.valid.txt, ptb.test.txt, or simple-examples.tgz" in str(
        error.value
    )
    assert str(tmp_path / "downloads" / "manual") in str(error.value)
    assert "HTTP status 404" in str(error.value)
    assert not list(tmp_path.rglob("*.tmp.*"))
    assert not list(tmp_path.rglob("*incomplete*"))
    assert not list(tmp_path.rglob("*.tfrecord*"))

    server.pages[page] = good
    server.cut_short.clear()
    assert corpus.load_penn_treebank("word", tmp_path).fingerprint == expected["word"]


def test_a_dead_host_is_reported_at_once(tmp_path, server):
    server.close()
    with pytest.raises(ValueError, match=r"no connection.*tgz: no connection"):
        corpus.load_penn_treebank("word", tmp_path)
    assert nothing_is_left(tmp_path)


def test_the_archive_stands_in_for_missing_files(tmp_path, server, expected):
    server.pages = {"/simple-examples.tgz": archive(TEXTS)}
    assert corpus.load_penn_treebank("word", tmp_path).fingerprint == expected["word"]


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (archive(TEXTS)[:100], "not a complete archive"),
        (archive(TEXTS | {"ptb.test.txt": b" another text \n" * 2}), "another sha256"),
        (archive({"ptb.train.txt": b""}), "not a complete archive"),
        (b"<html>moved</html>", "web page"),
    ],
    ids=["truncated", "another text", "files missing", "web page"],
)
def test_a_bad_archive_is_not_kept(tmp_path, server, expected, contents, reason):
    server.pages = {"/simple-examples.tgz": contents}
    with pytest.raises(ValueError, match=reason):
        corpus.load_penn_treebank("word", tmp_path)
    assert nothing_is_left(tmp_path)
    server.pages = {"/simple-examples.tgz": archive(TEXTS)}
    assert corpus.load_penn_treebank("word", tmp_path).fingerprint == expected["word"]


@pytest.mark.parametrize(
    "files", [TEXTS, {"simple-examples.tgz": archive(TEXTS)}], ids=["files", "archive"]
)
def test_files_put_there_by_hand_need_no_network(tmp_path, server, expected, files):
    server.close()
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name, contents in files.items():
        (manual / name).write_bytes(contents)
    assert corpus.load_penn_treebank("word", tmp_path).fingerprint == expected["word"]


def test_a_damaged_dataset_names_its_folder(tmp_path, server):
    corpus.load_penn_treebank("word", tmp_path)
    (record,) = tmp_path.rglob("*train.tfrecord*")
    record.write_bytes(record.read_bytes()[:-7])
    with pytest.raises(ValueError, match=r"word/1.0.0 .*delete"):
        corpus.load_penn_treebank("word", tmp_path)


@pytest.mark.parametrize(
    ("tokens", "sizes"),
    [
        ("word", (929_589, 73_760, 82_430)),
        # Half a minute: TFDS writes five million characters one by one.
        ("char", (5_017_482, 393_042, 442_423)),
    ],
)
@pytest.mark.slow
def test_the_real_text_has_its_known_ids_through_tfds(tmp_path, penn_treebank, tokens, sizes):
    manual = tmp_path / "downloads" / "manual"
    manual.parent.mkdir()
    manual.symlink_to(penn_treebank)
    loaded = corpus.load_penn_treebank(tokens, tmp_path, 10_000)
    assert tuple(len(ids) for ids in loaded.splits.values()) == sizes
    if tokens == "char":
        # The lines of the files have a space at both ends, which `load_text` keeps.
        assert loaded.fingerprint.startswith("6545d8216905")
        return
    text = corpus.load_text(penn_treebank, 10_000, options=TextOptions(tokens))
    assert loaded.vocabulary.words == text.vocabulary.words
    assert loaded.fingerprint == text.fingerprint
