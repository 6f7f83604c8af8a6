"""Serves a trained model on plain text: in this process, as a SavedModel, and on a web page.

The main path, in order:

1. `tokenizer.Tokenizer`: text to ids and back, by TensorFlow's operations alone.
2. `inference.Inference`: rows of any length and a state to scores and the next state.
3. `sampling.sample`: scores to the next word.
4. `served_model.ServedModel`: the three together; its signatures are what clients call.
5. `saved_model.export`: those signatures as a SavedModel, with a `model_card`.
6. `client.LoadedExport` and `demo`: one client of such an export, and its page.
"""
