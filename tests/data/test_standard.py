"""Corpora that come under names of their own."""

import numpy as np
import pytest

from ptb.data import corpus, parts
from ptb.data.options import TextOptions
from tests.conftest import PTB_DIR

WIKITEXT_DIR = PTB_DIR.parent / "wikitext-2"


def test_wikitext_is_found_by_its_file_names(tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / f"wiki.{split}.tokens").write_text(f" \n = {split} = \n \n a <unk> @-@ b \n")
    loaded = corpus.load_text(tmp_path)
    assert loaded.vocabulary.decode(loaded.valid)[:2] == ["<eos>", "="]
    assert len(loaded.valid) == 1 + 4 + 1 + 5
    published = ["2,088,628 or 103,227,021", "217,646", "245,569"]
    assert [count in note for count, note in zip(published, loaded.notes, strict=True)] == [
        True
    ] * 3


@pytest.mark.skipif(not WIKITEXT_DIR.is_dir(), reason="the text of WikiText-2 is not here")
def test_the_real_wikitext_has_its_published_sizes():
    words = corpus.load_text(WIKITEXT_DIR / "wiki.valid.tokens").vocabulary
    loaded = corpus.load_text(WIKITEXT_DIR, splits=("valid", "test"), vocabulary=words)
    sizes = {split: len(ids) for split, ids in loaded.splits.items()}
    assert sizes == {"valid": 217_646, "test": 245_569}
    assert loaded.notes == ()


def test_text8_is_cut_by_its_characters_wherever_they_are(tmp_path):
    text = " anarchism originated as a term of abuse" * 50
    assert len(text) == 2000
    (tmp_path / "text8").write_text(text)
    loaded = corpus.load_text(tmp_path / "text8", options=TextOptions("char"))
    sizes = {split: len(ids) for split, ids in loaded.splits.items()}
    assert sizes == {"train": 1800, "valid": 100, "test": 100}
    assert "".join(loaded.vocabulary.decode(loaded.test)) == text[1900:]


@pytest.mark.parametrize("part_tokens", [7, 1 << 20])
def test_enwik8_is_cut_by_its_bytes_and_no_character_apart(tmp_path, monkeypatch, part_tokens):
    monkeypatch.setattr(parts, "PART_TOKENS", part_tokens)
    text = "<page>é\n“𝄞”</page>\n" * 40
    (tmp_path / "enwik8").write_text(text)
    loaded = corpus.load_text(tmp_path / "enwik8", options=TextOptions("char"))
    splits = [
        "".join(loaded.vocabulary.decode(ids)).replace("<eos>", "\n")
        for ids in (loaded.train, loaded.valid, loaded.test)
    ]
    assert "".join(splits) == text
    total = len(text.encode())
    assert total % 20 == 0
    ends = np.cumsum([len(split.encode()) for split in splits])
    # Up to three bytes late, those of a character that the border is in.
    late = ends - [total * 9 // 10, total * 19 // 20, total]
    assert late.min() >= 0
    assert late.max() <= 3
