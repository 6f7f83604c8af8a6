"""Reads text and turns it into windows of `[batch_size, num_steps]` tokens.

The main path, in order:

1. `vocabulary.Vocabulary`: words to ids and back.
2. `text.read`: a file to numbers; `corpus.load_text`, `corpus.load_penn_treebank` or
   `corpus.built_in`: a `Corpus` of train, valid and test ids.
3. `reader.sequential` / `reader.random` / `reader.every_token`: the `Windows` over one split.
"""
