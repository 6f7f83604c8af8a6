"""The precision in which the parts of a layer compute, and how to make them compute in float32."""

from __future__ import annotations

import contextlib


def mixed_parts(layer) -> list:
    """The Keras layers of a mixed precision: of a recurrent layer, its cell, and those within."""
    parts = layer._flatten_layers()  # Keras has no public name for the layers within a layer
    return [part for part in parts if part.compute_dtype != part.variable_dtype]


@contextlib.contextmanager
def in_float32(layer):
    """The context in which a recurrent layer of a mixed precision computes in float32."""
    parts = mixed_parts(layer)
    policies = [part.dtype_policy for part in parts]
    try:
        for part in parts:
            part.dtype_policy = "float32"
        yield
    finally:
        for part, policy in zip(parts, policies, strict=True):
            part.dtype_policy = policy
