"""Exports a trained model as a SavedModel that takes plain text.

    ptb export --save_path=RUN --export_path=DIR     writes DIR/1, then DIR/2, ...
    ptb export --tutorial_checkpoint=PREFIX --data_path=DATA --export_path=DIR
    ptb export --save_path=RUN --write_tutorial_checkpoint=PREFIX    for the TF1 tutorial to read

Clients need TensorFlow, but not this project. DIR/1/README.md, the model card, says how to call the
model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from absl import flags, logging

from models.tf1_names import MODES
from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, command_to_type, note, run, user_errors
from ptb.command_line.text_source import define_data_flags
from ptb.command_line.trained_model import (
    check_text_flags,
    check_words_of_the_tutorial,
    define_trained_model_flags,
    load_corpus_of,
    load_trained_model,
)
from ptb.command_line.without_effect import refuse_without_effect
from ptb.machine.escape import escape
from ptb.machine.own_folder import refuse_no_name
from ptb.serving.export_folder import make_export_folder


def main() -> None:
    with user_errors():
        prefix = FLAGS.write_tutorial_checkpoint
        if FLAGS.export_path is None and prefix is None:
            raise ValueError("--export_path is missing: give a folder for the export")
        _check_flags()
        trained = load_trained_model()
        if prefix is not None:
            _write_tutorial_checkpoint(trained, prefix)
        if FLAGS.export_path is None:
            return
        was_there = Path(FLAGS.export_path).exists()
        export_path = make_export_folder(FLAGS.export_path)
        start_tensorflow()
        try:
            trained.check()
        except ValueError:
            if not was_there:
                export_path.rmdir()
            raise
        perplexities = _perplexities(trained)

    from ptb.serving.saved_model import export  # noqa: PLC0415

    logging.set_verbosity(logging.WARNING)  # TensorFlow tells of every file
    with user_errors():
        path = export(trained, export_path, perplexities)
    print(path, flush=True)
    print(f"{escape(str(path))}/README.md says how to call the model; next:", file=sys.stderr)
    page = command_to_type("serve", f"--export_path={FLAGS.export_path}")
    print(f"  try it on a page  {escape(page)}", file=sys.stderr)


def _check_flags() -> None:
    """Raises ValueError for flags that have no effect beside the others."""
    if FLAGS.write_tutorial_checkpoint is None:
        refuse_without_effect(["tutorial_mode"], without="--write_tutorial_checkpoint")
    else:
        refuse_no_name(FLAGS.write_tutorial_checkpoint)
    if FLAGS.export_path is None:
        refuse_without_effect(["evaluate"], without="--export_path")
    if FLAGS.write_tutorial_checkpoint is None and not FLAGS.evaluate:
        check_text_flags("where no perplexity is measured")


def _write_tutorial_checkpoint(trained, prefix: str) -> None:
    check_words_of_the_tutorial(trained)
    try:
        Path(prefix).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"--write_tutorial_checkpoint={prefix} cannot be written ({error.strerror}): give "
            "another folder"
        ) from None
    start_tensorflow()
    from ptb.runs.tutorial_checkpoint import not_the_newest, write_tutorial_checkpoint  # noqa: PLC0415

    trained.check()
    write_tutorial_checkpoint(prefix, trained.config, trained.weights, FLAGS.tutorial_mode)
    print(prefix)
    if said := not_the_newest(prefix):
        note(said)


def _perplexities(trained) -> dict:
    """Perplexities for the model card: of the best epoch, and of the test split if it is found."""
    known = trained.perplexities
    if not FLAGS.evaluate:
        return known
    try:
        corpus = load_corpus_of(trained, "test")
    except ValueError as error:
        note(f"the model card has no test perplexity: {error}")
        return known

    from ptb.training.perplexity import exact_score  # noqa: PLC0415

    score = exact_score(trained.build(), corpus.test, trained.config.num_steps, trained.borders)
    known["test, exact"] = score.perplexity
    return known


def start() -> None:
    """Defines the flags and runs the command."""
    define_trained_model_flags()
    with flag_group("export"):
        define_path(
            "export_path",
            None,
            "Folder for the exports. Each gets a subfolder: 1, 2, ... Default: none; "
            "required unless --write_tutorial_checkpoint is given.",
        )
        flags.DEFINE_bool(
            "evaluate", True, "Measure the test perplexity and write it into the model card."
        )
        define_path(
            "write_tutorial_checkpoint",
            None,
            "Also, or only, write the weights as a TensorFlow 1 checkpoint that the original "
            "tutorial reads: a path without .index. Default: none.",
        )
        flags.DEFINE_enum(
            "tutorial_mode",
            "block",
            MODES,
            "With --write_tutorial_checkpoint: the rnn_mode of the tutorial that will read it.",
        )
    define_data_flags("The run's text, if it was moved", "where the run found it")
    run(main)
