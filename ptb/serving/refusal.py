"""What the checks inside a graph say against an input, as an exception with one line of text."""

from __future__ import annotations

import contextlib
import re


class Refused(ValueError):
    """An input that a model does not take."""


@contextlib.contextmanager
def refusals():
    """Turns the failed checks of a graph into Refused, without TensorFlow's words around them."""
    import tensorflow as tf  # noqa: PLC0415  (loaded by whoever has a model to ask)

    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(r"assertion failed: \[(.*?)\]\s*(?:\[\[|$)", error.message, re.DOTALL)
        raise Refused(found[1] if found else error.message.splitlines()[0]) from None
