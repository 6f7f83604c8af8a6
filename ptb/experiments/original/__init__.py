"""TensorFlow 1.15 itself, run beside this project: the oracle, and a peer of the benchmark.

`tf1_program` builds the tutorial's graph from TensorFlow 1's own parts, in a Python of its own;
`oracle` starts it and asks it; `parity` trains the same windows on both sides and compares them.
"""
