"""Windows and a model become weights and a perplexity. Is handed both; builds neither.

The main path, in order:

1. `config.Config`: every figure of a run, with the tutorial's presets.
2. `step.TrainStep`: loss, gradient, clip and update, for many windows in one call.
3. `loop.fit`: the epochs, the learning rate, validation and the best weights.
4. `perplexity.evaluate`: the exact perplexity of a text.
"""
