"""Windows and a model become weights and a perplexity. Is handed both; builds neither.

The main path, in order:

1. `config.Config`: every figure of a run, with the tutorial's presets.
2. `step.TrainStep`: loss, gradient, clip and update, for many windows in one call.
3. `loop.Training`: the epochs, the learning rates, validation.
4. `session.Session`: saves, goes on from what was saved, rolls back, stops when asked.
5. `perplexity.Evaluator`: the exact perplexity of a text.
"""
