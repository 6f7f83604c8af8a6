"""Training and evaluation: windows and a model become weights and a perplexity.

The main path, in order:

1. `config.Config`: the hyperparameters of a run, and the presets.
2. `model.build_model`: the model that a config describes.
3. `step.TrainStep`: loss, gradient, clip and update, for many windows in one call.
4. `state.TrainingState`: everything that training changes, saved and restored as a whole.
5. `loop.Training`: the epochs, the learning rates, validation.
6. `perplexity.Evaluator`: the exact perplexity of a text.

`ptb.runs.train` puts them together.
"""
