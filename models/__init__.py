"""Tokens and a state become logits and the next state. Knows no corpus, no flags, no files.

The main path, in order:

1. `cells`: what one time step computes.
2. `static_rnn`: a cell called once for each time step.
3. `language_model.LanguageModel`: embedding, recurrent layers, softmax.
"""
