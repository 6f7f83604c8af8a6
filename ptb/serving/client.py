"""A client of an export: loads it with TensorFlow alone and calls its public signatures."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np

from ptb.data.text import TOKENS, addition, shown, without_last_space
from ptb.data.vocabulary import EOS
from ptb.machine.checked import Limits, check
from ptb.machine.untrusted import read_json
from ptb.serving.refusal import refusals
from ptb.serving.surprisal import Word, words_of

MODEL_FILE, CARD_FILE = "saved_model.pb", "model_card.json"
# The functions that are called.
CALLS = ("initial_state", "next_word", "score", "generate")
INSIDE = "inside"  # exports of earlier versions lack it


class Card(TypedDict):
    """A `model_card.json`, as far as it is read."""

    name: str
    tokens: Annotated[str, Limits(choices=TOKENS)]
    vocab_size: int
    num_weights: int
    perplexities: dict[str, float | None]  # null: it was not finite
    config: dict
    corpus: dict


@dataclass(frozen=True)
class NextWord:
    """A likely next token: as it is shown, what it adds to the text, and its probability.

    `adds` is None for a subword that is only a part of a character, and for a space that the text
    ends with already. What `Reading.left_out` has is to be removed before it is added.
    """

    text: str
    adds: str | None
    probability: float


@dataclass(frozen=True)
class Reading:
    """The tokens of a text and the most likely next tokens.

    `left_out` is the end of the text that was left out: a space or nothing.
    """

    words: list[Word]
    next_words: list[NextWord]
    left_out: str = ""


@dataclass(frozen=True)
class Look:
    """The activations of a layer while it read the last W words of a text.

    Attributes:
      start: the number of the first of them.
      words: the W words.
      activations: by unit, then by the name of a gate or a part of the state, float32 `[W]`.
      importance: float32 `[W, W]`; row t is of word t as it was predicted, column s of word s as it
        was read.
    """

    start: int
    words: list[Word]
    activations: dict[int, dict[str, np.ndarray]]
    importance: np.ndarray


def find(export_path: str | Path) -> Path:
    """Finds the newest version in an export folder; a version itself is returned as it is.

    Raises ValueError for a folder that is no export.
    """
    path = Path(export_path)
    if not (path / MODEL_FILE).is_file():
        taken = versions(path) if path.is_dir() else {}
        path = taken[max(taken)] if taken else path
    if not is_export(path):
        raise ValueError(
            f"{str(export_path)!r} holds no export: give the --export_path of ptb export"
        )
    return path


def is_export(version: Path) -> bool:
    """Whether the folder has the files of a version."""
    return (version / MODEL_FILE).is_file() and (version / CARD_FILE).is_file()


def versions(export_path: Path) -> dict[int, Path]:
    """The version numbers in use in the folder, in order. Longer numbers are not versions."""
    children = [child for child in export_path.iterdir() if re.fullmatch("[0-9]{1,18}", child.name)]
    return {int(child.name): child for child in sorted(children, key=lambda path: int(path.name))}


class LoadedExport:
    """An export that is ready to be asked.

    A space at the end of a text is left out where the next token brings it along
    (`ptb.data.text.without_last_space`). Raises ValueError where the folder is no export or is
    damaged.
    """

    def __init__(self, export_path: str | Path):
        import tensorflow as tf  # noqa: PLC0415  (a wrong folder is refused before it is loaded)

        self._tf = tf
        self.path = find(export_path)
        try:
            self.card = read_json(self.path / CARD_FILE)
            check("the card", self.card, Card)
            self._model = tf.saved_model.load(str(self.path))
            self.call = {name: self._model.signatures[name] for name in CALLS}
            self.can_look_inside = INSIDE in self._model.signatures
            if self.can_look_inside:
                self.call[INSIDE] = self._model.signatures[INSIDE]
        except (OSError, ValueError, LookupError, TypeError, tf.errors.OpError) as error:
            raise ValueError(
                f"the export {str(self.path)!r} is damaged ({type(error).__name__}): export anew"
            ) from None

    def read(self, text: str) -> Reading:
        """The tokens of the text, of which nothing predicts the first. Raises Refused.

        Without any, the next ones are those that begin a line.
        """
        tf = self._tf
        score = self._ask("score", text=self._to_continue(text))
        state = self.call["initial_state"](batch_size=tf.constant(1))
        words = score["tokens"] if score["tokens"].shape[1] else tf.constant([[EOS]])
        following = self._ask("next_word", words=words, **state)
        best = zip(*(following[n][0].numpy() for n in ("top_words", "top_log_probs")), strict=True)
        kind, last = self.card["tokens"], words[0, -1].numpy().decode()
        if kind == "word" and text[-1:].isspace():
            last = EOS  # the space is there already
        left_out = text.removeprefix(without_last_space(text, kind))
        next_words = []
        for token, log_prob in best:
            word = token.decode()
            adds = addition(word, kind, last)
            adds = None if adds == left_out else adds
            next_words.append(NextWord(shown(word, kind), adds, math.exp(log_prob)))
        return Reading(words_of(score, kind), next_words, left_out)

    def generate(
        self, prefix: str, num_words: int, temperature: float = 1.0, top_k: int = 0, seed: int = 1
    ) -> str:
        """The prefix and `num_words` words after it. Raises Refused."""
        tf = self._tf
        answer = self._ask(
            "generate",
            prefix=self._to_continue(prefix),
            num_words=tf.constant(num_words),
            temperature=tf.constant(temperature),
            top_k=tf.constant(top_k),
            seed=tf.constant(seed),
        )
        return answer["text"][0].numpy().decode()

    def look_inside(self, text: str, num_tokens: int, layer: int, units: Sequence[int]) -> Look:
        """Of the last `num_tokens` tokens, or as many as the model allows. Raises Refused.

        Without `units`, those whose output varies most. Call it only if `can_look_inside`.
        """
        tf = self._tf
        answer = self._ask(
            INSIDE,
            text=self._to_continue(text),
            num_tokens=tf.constant(num_tokens),
            layer=tf.constant(layer),
            units=tf.constant(units, tf.int32, [len(units)]),
        )
        start = int(answer["start"])
        names = [name.decode() for name in answer["names"].numpy()]
        by_unit = answer["activations"].numpy().transpose(2, 1, 0)
        activations = {
            int(unit): dict(zip(names, values, strict=True))
            for unit, values in zip(answer["units"].numpy(), by_unit, strict=True)
        }
        return Look(
            start, words_of(answer, self.card["tokens"]), activations, answer["importance"].numpy()
        )

    def _to_continue(self, text: str):
        """A text as a tensor string `[1]`. A lone surrogate becomes bytes, read as U+FFFD."""
        text = without_last_space(text, self.card["tokens"])
        return self._tf.constant([text.encode(errors="surrogatepass")])

    def _ask(self, name: str, **inputs) -> dict:
        with refusals():
            return self.call[name](**inputs)
