"""`--model` and a flag for every field of the config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from absl import flags

from models.registry import CELLS, cells_that_read
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS
from ptb.command_line.without_effect import refuse_without_effect
from ptb.runs.run_folder import RunFolder
from ptb.training.config import OPTIMIZERS, PRESETS, Config, preset

# The definition of a flag by the type of its field; of others, `flags.DEFINE_string`.
DEFINE: dict[str, Callable] = {
    "int": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
    "bool": flags.DEFINE_bool,
}

# A field has an effect only if another field has one of these values.
PREREQUISITES = {
    **{
        option: ("optimizer", tuple(name for name, reads in OPTIMIZERS.items() if option in reads))
        for options in OPTIMIZERS.values()
        for option in options
    },
    "warmup": ("schedule", ("linear",)),
    "constant_epochs": ("schedule", ("step",)),
    "learning_rate_decay": ("schedule", ("step",)),
    "adaptive_cutoffs": ("softmax", ("adaptive",)),
    **{
        option: ("cell", cells_that_read(option))
        for entry in CELLS.values()
        for option in entry.reads
    },
}
# The tutorial's names for the values of rnn_mode.
OF_THE_TUTORIAL = {"basic": "static", "block": "fused", "cudnn": "keras"}


def define_config_flags() -> None:
    """`--model` and a flag for every field of the config, whose default is the preset's value."""
    with flag_group("model"):
        flags.DEFINE_string(
            "model",
            "small",
            "The preset, which sets the defaults of other flags. small, medium, large: the "
            "tutorial's. fast: the quality of small in less time. best: the lowest perplexity "
            "in an hour. overnight: in a few hours. "
            f"test: tiny, to try things out. One of: {', '.join(PRESETS)}.",
        )
    for field in dataclasses.fields(Config):
        choices = field.metadata["choices"]
        help_text = field.metadata["help"] + (f" One of: {', '.join(choices)}." if choices else "")
        define = DEFINE.get(field.type, flags.DEFINE_string)
        with flag_group(field.metadata["group"]):
            define(field.name, None, f"{help_text} Default: {_defaults(field.name)}.")


def config_from_flags() -> Config:
    """The preset `--model`, changed by the flags that were given.

    Raises ValueError for a bad value, and for a flag that would change nothing. A run that has such
    a value may still be resumed with it.
    """
    names = [field.name for field in dataclasses.fields(Config)]
    given = {name: FLAGS[name].value for name in names if FLAGS[name].value is not None}
    if (mode := given.get("rnn_mode")) in OF_THE_TUTORIAL:
        raise ValueError(
            f"--rnn_mode={mode} is the tutorial's name: use --rnn_mode={OF_THE_TUTORIAL[mode]}"
        )
    config = dataclasses.replace(preset(FLAGS.model), **given)
    before = _config_of_the_run() or preset(FLAGS.model)
    for name, (other, values) in PREREQUISITES.items():
        unchanged = given.get(name) in (None, getattr(before, name))
        if not unchanged and getattr(config, other) not in values:
            refuse_without_effect([name], without=f"--{other}={' or '.join(values)}")
    name = "temporal_activation_regularization"
    if config.num_steps == 1 and getattr(config, name) not in (0, getattr(before, name)):
        refuse_without_effect([name], "with --num_steps=1")  # a window has no next output
    return config


def _config_of_the_run() -> Config | None:
    """The config of the run in --save_path; None if there is none. Raises ValueError if damaged."""
    if "save_path" not in FLAGS or not FLAGS.save_path:
        return None
    folder = RunFolder(FLAGS.save_path)
    return Config.from_dict(folder.description()["config"]) if folder.exists else None


def _defaults(name: str) -> str:
    """The default of `small`, and in brackets those of presets with another one."""
    values = {model: _shown(getattr(config, name)) for model, config in PRESETS.items()}
    default = values["small"]
    others = [f"{model} {value}" for model, value in values.items() if value != default]
    return f"{default} ({', '.join(others)})" if others else default


def _shown(value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
