"""The trained model that the flags name, and the text that it is scored on."""

from __future__ import annotations

from absl import flags

from command_line.devices import start_tensorflow
from command_line.paths import define_path
from command_line.program import FLAGS
from command_line.text_source import TextSource
from training.model import build_model, check_memory

# These flags belong to the scripts that define them, so that --helpshort lists them there.
flags.disclaim_key_flags()


def define_trained_model_flags() -> None:
    """Which model, of `--save_path` or in its place."""
    flags.DEFINE_enum(
        "checkpoint",
        "best",
        ["best", "latest"],
        "of save_path: the epoch with the lowest valid perplexity, or what was saved last (the "
        "tutorial tests its last epoch)",
    )
    define_path(
        "tutorial_checkpoint",
        None,
        "a checkpoint of the original TF1 tutorial in place of save_path: its path without .index; "
        "--data_path or --dataset names the text that it was trained on",
    )


def load_trained_model():
    """The `TrainedModel` that `--save_path` or `--tutorial_checkpoint` names.

    Raises ValueError where both or neither are given, or what they name cannot be read.
    """
    from training import trained_model  # noqa: PLC0415

    run_path, prefix = FLAGS.save_path, FLAGS.tutorial_checkpoint
    if run_path is None and prefix is None:
        raise ValueError("--save_path is missing: give the folder of a run that train.py made")
    if run_path is not None and prefix is not None:
        raise ValueError(f"give one of --save_path={run_path} and --tutorial_checkpoint={prefix}")
    if run_path is not None:
        return trained_model.load_run(run_path, FLAGS.checkpoint)
    if FLAGS["checkpoint"].present:
        raise ValueError("--checkpoint chooses among those of --save_path: leave it out")
    if FLAGS.data_path is None and FLAGS.dataset is None:
        raise ValueError(
            "--data_path is missing: the words of a tutorial checkpoint are those of the text that "
            "it was trained on"
        )
    train = TextSource.of_run({}).load(("train",))
    start_tensorflow()
    return trained_model.load_tutorial_checkpoint(prefix, train.vocabulary)


def load_corpus_of(trained, split: str):
    """One split of the text of a `TrainedModel`, or of that of the data flags, in its words.

    Raises ValueError where the run's text is not there any more, or has changed.
    """
    corpus = TextSource.of_run(trained.source).load((split,), vocabulary=trained.vocabulary)
    known = (trained.corpus.get("tokens") or {}).get(split)
    length = len(corpus.splits[split])
    if FLAGS.data_path is None and FLAGS.dataset is None and known not in (None, length):
        raise ValueError(
            f"the {split} split has {length:,} tokens and had {known:,} when the run began: "
            "restore the text, or name it with --data_path to score it as it is"
        )
    return corpus


def load_model(trained):
    """The model of a `TrainedModel`, with its weights."""
    check_memory(trained.config, len(trained.vocabulary), batch_size=1, num_steps=1)
    model = build_model(trained.config, len(trained.vocabulary))
    model.import_weights(trained.weights)
    return model
