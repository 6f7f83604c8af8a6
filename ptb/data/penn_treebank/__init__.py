"""Penn Treebank as a TFDS dataset: `penn_treebank/word` and `penn_treebank/char`."""
