"""The flags of `train.py`, and its run folder: new, or of the same run."""

from __future__ import annotations

import dataclasses

from absl import flags

from ptb.command_line.config_flags import define_config_flags
from ptb.command_line.devices import define_distribution_flags
from ptb.command_line.program import FLAGS, note, typed_command
from ptb.command_line.text_source import define_data_flags, define_text_flags, reading_changed

# These flags belong to the scripts that define them, so that --helpshort lists them there.
flags.disclaim_key_flags()

SAVE_FLAGS = ("checkpoint_every", "keep", "on_divergence")
# Of a corpus's source: where the text is, which may change as long as its tokens do not.
WHERE = ("data_path", "dataset", "data_dir", "shares")


def define_training_flags() -> None:
    """All that `train.py` takes, and `ptb.experiments.records.record` with it."""
    define_data_flags()
    define_distribution_flags()
    define_text_flags()
    define_config_flags()
    flags.DEFINE_string(
        "checkpoint_every",
        "300s",
        "save within an epoch too, every so many seconds (300s) or windows (500w), or 0: do not",
    )
    flags.DEFINE_integer("keep", 2, "newest checkpoints to keep, beside the best", 1, 1000)
    flags.DEFINE_enum(
        "on_divergence",
        "stop",
        ["stop", "rollback"],
        "stop, or go back to the last checkpoint with half the learning rate, three times at most",
    )


def open_run(config, corpus, cleanup):
    """The run folder `--save_path`, new or of the same run, and what its `config.json` will say.

    None and None where nothing is to be saved. Nothing is written yet but the lock.

    Raises ValueError if the folder holds another run or anything else, or another process writes
    in it.
    """
    from ptb.runs.run_folder import RunFolder  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    if FLAGS.save_path is None:
        return None, None
    folder = RunFolder(FLAGS.save_path)
    refuse_another_run(folder, config, corpus)
    cleanup.callback(folder.release)
    for line in folder.acquire():
        note(line)
    description = _description(config, corpus)
    # Another process may have started a run since.
    refuse_another_run(folder, config, corpus)
    if folder.exists:
        saved = folder.description()
        _note_other_versions(saved.get("versions"), description["versions"])
        # The command and the versions stay those that the run began with, and so do the fields of
        # the config, after which its checkpoints are named, also where there are more by now.
        num_epochs = max(config.num_epochs, Config.from_dict(saved["config"]).num_epochs)
        description = saved | {
            "config": saved["config"] | {"num_epochs": num_epochs},
            "corpus": saved["corpus"] | {"source": _source_of_now(saved["corpus"], corpus)},
        }
    return folder, description


def _source_of_now(saved: dict, corpus) -> dict:
    """The source of a run's text, which has the same tokens, at the place where it is now."""
    place = {name: corpus.source[name] for name in WHERE if name in corpus.source}
    gone = set(WHERE) - set(place)
    return {n: v for n, v in saved.get("source", {}).items() if n not in gone} | place


def refuse_another_run(folder, config, corpus) -> None:
    """A run goes on only with its own config, but for what may change, and its own text.

    Raises ValueError where the `RunFolder` holds a run that differs.
    """
    from ptb.runs.run_folder import changeable  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    if not folder.exists:
        return
    saved = folder.description()
    may_change = changeable(saved["config"])
    old = dataclasses.asdict(Config.from_dict(saved["config"]))
    differences = [
        f"{name} was {old[name]} and is now {value}"
        for name, value in dataclasses.asdict(config).items()
        if name not in may_change and value != old[name]
    ]
    if saved["corpus"].get("fingerprint") != corpus.fingerprint:
        differences.append(
            f"the corpus was {saved['corpus'].get('name')} "
            f"({str(saved['corpus'].get('fingerprint'))[:12]}) and is now {corpus.name} "
            f"({corpus.fingerprint[:12]}){reading_changed(saved['corpus'].get('source', {}))}"
        )
    if differences:
        raise ValueError(
            f"save_path {str(folder.path)!r} holds another run: {'; '.join(differences)}: "
            f"give another save_path or the same flags ({', '.join((*may_change, *SAVE_FLAGS))} "
            "may change)"
        )


def _note_other_versions(old, new: dict) -> None:
    """Arithmetic is the same bit for bit only in the same versions."""
    for name, version_now in new.items():
        version_then = old.get(name) if isinstance(old, dict) else None
        if version_then != version_now:
            note(f"the run began with {name} {version_then}, and this is {version_now}")


def _description(config, corpus) -> dict:
    """What `config.json` says of a run."""
    from ptb.machine.environment import versions  # noqa: PLC0415

    return {
        "command": typed_command(),
        "model": FLAGS.model,
        "config": dataclasses.asdict(config),
        "corpus": {
            "name": corpus.name,
            "source": corpus.source,
            "fingerprint": corpus.fingerprint,
            "vocab_size": len(corpus.vocabulary),
            "tokens": {split: len(ids) for split, ids in corpus.splits.items()},
        },
        "versions": versions(),
    }
