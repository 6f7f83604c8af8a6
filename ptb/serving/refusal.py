"""Turns failed checks inside a graph into an exception with a one-line message."""

from __future__ import annotations

import contextlib
import re


class Refused(ValueError):
    """Raised for an input that a model does not accept."""


@contextlib.contextmanager
def refusals():
    """A context that turns failed checks of a graph into Refused, without TensorFlow's wording."""
    import tensorflow as tf  # noqa: PLC0415  (loaded by whoever has a model to ask)

    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(r"assertion failed: \[(.*?)\]\s*(?:\[\[|$)", error.message, re.DOTALL)
        raise Refused(found[1] if found else error.message.splitlines()[0]) from None
