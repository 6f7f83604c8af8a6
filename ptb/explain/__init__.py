"""Drawings that explain a batch, an unrolled network, and what happens inside a model."""
