"""The model: maps tokens and a state to logits and the next state. Reads no corpus, flag or file.

The main path, in order:

1. `cells`: what one time step computes. `cell` is what they share, `registry` lists them.
2. `static_rnn`: a cell called once for each time step.
3. `fused_lstm`: the same numbers, faster; the default on a CPU. `keras_lstm`: Keras's own layer,
   with `keras_training` for plain `fit`.
4. `dropout`, `softmax`: the parts below, between and above the layers. `row_parts` gives each core
   rows of its own.
5. `language_model.LanguageModel`: embedding, recurrent layers, softmax.
6. `weights`: the name of every weight. `tf1_names` has its name in TensorFlow 1.
"""
