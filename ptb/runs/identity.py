"""Decides which run a folder holds, and whether a new start may resume it.

A run is a config and a text. Two runs are the same if both are equal, except for the fields that
`changeable` names. `run_id` is the name of a run, which is in all checkpoints; `differences` says
in words how two runs differ. A hyperparameter in `MEANT` may change when a run is resumed with
`--change`: the run keeps its name, and `config.json` and `log.txt` record the change.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence

from ptb.data.options import reading_changed
from ptb.machine.environment import versions
from ptb.runs.beginning import refuse_another_beginning
from ptb.training.config import Config

# Flags that belong to one start, not to the run.
SAVE_FLAGS = ("checkpoint_every", "keep", "on_divergence")
# Hyperparameters that change neither the shape of a weight nor the place of a window.
MEANT = (
    "learning_rate",
    "constant_epochs",
    "learning_rate_decay",
    "schedule",
    "warmup",
    "num_epochs",
    "weight_decay",
    "max_grad_norm",
    "keep_prob",
    "weight_keep_prob",
    "embedding_keep_prob",
    "activation_regularization",
    "temporal_activation_regularization",
)
# Of a corpus's source: where the text is, which may change as long as its tokens do not.
WHERE = ("data_path", "dataset", "data_dir", "shares")


def changeable(config: dict) -> tuple[str, ...]:
    """The fields of a config that may change when a run is resumed.

    The linear schedule's learning rates depend on the number of epochs from the first window on.
    """
    return () if config.get("schedule") == "linear" else ("num_epochs",)


def run_id(description: dict) -> str:
    """The name of a run: a sha256 of the identity, as the version that started the run wrote it."""
    if "run_id" in description:  # its config has changed since
        return description["run_id"]
    config = description["config"]
    identity = [_kept(config, changeable(config)), description["corpus"].get("fingerprint")]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def differences(saved: dict, now: dict) -> list[str]:
    """Says in words how the run described by `saved` differs from `now`; empty for the same run.

    A field that `saved` lacks, since an earlier version wrote it, has its default.
    """
    found = in_words(_changed(saved, now))
    old, new = saved["corpus"], now["corpus"]
    if old.get("fingerprint") != new.get("fingerprint"):
        found += _of_the_text(old, new)
    return found


def _of_the_text(old: dict, new: dict) -> list[str]:
    """Says in words how the text described by `old` differs from `new`: how it is read, or what."""
    then, now = (_reading(each.get("source", {})) for each in (old, new))
    both = then.keys() & now.keys()
    if read_otherwise := {n: (then[n], now[n]) for n in now if n in both and then[n] != now[n]}:
        return in_words(read_otherwise)
    splits = [", ".join(each.get("tokens") or {}) for each in (old, new)]
    if splits[0] != splits[1]:
        return [f"the text had {splits[0]} and has now {splits[1]}"]
    named = [f"{each.get('name')} ({str(each.get('fingerprint'))[:12]})" for each in (old, new)]
    digests = [each.get("split_fingerprints") or {} for each in (old, new)]
    others = [split for split in digests[0] if digests[0][split] != digests[1].get(split)]
    where = f" (other tokens in {', '.join(others)})" if others else ""
    return [
        f"the corpus was {named[0]} and is now {named[1]}{where}"
        f"{reading_changed(old.get('source', {}))}"
    ]


def _reading(source: dict) -> dict:
    """The flags that say how a text is read, with their values: `split` only for one file."""
    flags = {
        "tokens": source.get("tokens", "word"),
        "lowercase": source.get("lowercase", False),
        "min_count": source.get("min_count") or "the default",
    }
    shares = source.get("shares")
    return flags | ({"split": ",".join(f"{share:g}" for share in shares)} if shares else {})


def _changed(saved: dict, now: dict) -> dict[str, tuple]:
    """The fields of the config that differ between `saved` and `now`, with both values."""
    may_change = changeable(saved["config"])
    old = _kept(_with_defaults(saved["config"]), may_change)
    new = _kept(now["config"], may_change)
    return {name: (old[name], value) for name, value in new.items() if value != old[name]}


def in_words(changed: dict[str, tuple]) -> list[str]:
    """A line for each changed hyperparameter, with both values."""
    return [f"{name} was {was} and is now {value}" for name, (was, value) in changed.items()]


def check_meant(names: Sequence[str]) -> None:
    """Raises ValueError for a hyperparameter that cannot change within a run."""
    if isinstance(names, str):
        raise TypeError(f"change={names!r} is of type str: give a list of names")
    for name in names:
        if name not in MEANT:
            raise ValueError(
                f"change={name}: within a run, only these can change: {', '.join(MEANT)}"
            )


def _kept(config: dict, may_change: tuple[str, ...]) -> dict:
    return {name: value for name, value in config.items() if name not in may_change}


def _with_defaults(config: dict) -> dict:
    return dataclasses.asdict(Config.from_dict(config))


def describe(config: Config, corpus, labels: dict | None = None) -> dict:
    """The contents of `config.json` for a new run. `labels` (command, model) are for readers."""
    return (labels or {}) | {
        "config": dataclasses.asdict(config),
        "corpus": {
            "name": corpus.name,
            "source": _source(corpus),
            "fingerprint": corpus.fingerprint,
            "split_fingerprints": corpus.split_fingerprints,
            "vocab_size": len(corpus.vocabulary),
            "tokens": {split: len(ids) for split, ids in corpus.splits.items()},
        },
        "versions": versions(),
    }


def _source(corpus) -> dict:
    """Where the text is from, and how to read others like it: a corpus made by hand may not say."""
    return corpus.source if corpus.tokens == "word" else {"tokens": corpus.tokens} | corpus.source


def refuse_another_run(folder, description: dict, meant: Sequence[str] = ()) -> None:
    """Raises ValueError if the `RunFolder` holds another run than the one described.

    A change of the hyperparameters in `meant` does not make another run.
    """
    if not folder.exists:
        return
    saved = folder.description()
    changed = _changed(saved, description)
    same = {name: was for name, (was, _) in changed.items() if name in meant}
    now = description | {"config": description["config"] | same}
    if found := differences(saved, now):
        may_change = (*changeable(saved["config"]), *SAVE_FLAGS)
        raise ValueError(
            f"save_path {str(folder.path)!r} holds another run{_of_another_preset(saved, now)}: "
            f"{'; '.join(found)}: give another save_path or the same flags "
            f"({', '.join(may_change)} may change)"
            f"{_how_to_change(changed, found)}"
        )


def _of_another_preset(saved: dict, now: dict) -> str:
    """Names the two presets, if both are known and differ: they explain most differences."""
    models = saved.get("model"), now.get("model")
    if None in models or models[0] == models[1]:
        return ""
    return f" (--model={models[0]}, and this is --model={models[1]})"


def _how_to_change(changed: dict[str, tuple], found: list[str]) -> str:
    """A hint at the flag that allows all these changes, if there is one."""
    if len(found) > len(changed) or not set(changed) <= set(MEANT):
        return ""
    return f", or --change={','.join(changed)} if the change is meant"


def open_run(
    folder, description: dict, note: Callable[[str], None], meant: Sequence[str] = ()
) -> tuple[dict, dict[str, tuple]]:
    """Locks the `RunFolder` of a new run or of the described run.

    Returns the contents of `config.json`, and the hyperparameters that change with this start, with
    both values. Writes only the lock.

    Raises ValueError if the folder holds another run or anything else, or another process writes
    in it.
    """
    refuse_another_run(folder, description, meant)
    for line in folder.acquire():
        note(line)
    # Another process may have started a run since.
    refuse_another_run(folder, description, meant)
    if not folder.exists:
        return description, {}
    saved = folder.description()
    refuse_another_beginning(saved, description, has_begun=not folder.checkpoints.is_empty)
    _note_other_versions(saved.get("versions"), description["versions"], note)
    # The command and the versions stay those that the run began with, and so do the fields of the
    # config, after which its checkpoints are named, also if there are more by now.
    epochs = (description["config"]["num_epochs"], _with_defaults(saved["config"])["num_epochs"])
    changed = _changed(saved, description)
    # Named in `meant`, or those that the rates of a schedule which becomes linear depend on.
    if epochs[0] != epochs[1] and ("num_epochs" in meant or not changeable(description["config"])):
        changed["num_epochs"] = epochs[1], epochs[0]
    config = saved["config"] | {"num_epochs": max(epochs)}
    config |= {name: value for name, (_, value) in changed.items()}
    opened = saved | {
        "config": config,
        "corpus": saved["corpus"]
        | {
            "source": _moved(saved["corpus"], description["corpus"]),
            # Which a run of version 1.0 lacks.
            "split_fingerprints": description["corpus"]["split_fingerprints"],
        },
    }
    if changed:
        was = {name: value for name, (value, _) in changed.items()}
        now = {name: value for name, (_, value) in changed.items()}
        opened["changes"] = [*saved.get("changes", []), {"was": was, "now": now}]
        opened["run_id"] = folder.run_id
    return opened, changed


def _moved(saved: dict, now: dict) -> dict:
    """The source of the run's text, with the place where the text is now."""
    location = {name: now["source"][name] for name in WHERE if name in now["source"]}
    kept = {n: v for n, v in saved.get("source", {}).items() if n not in WHERE or n in location}
    return kept | location


def _note_other_versions(old, new: dict, note: Callable[[str], None]) -> None:
    """Notes versions that have changed: results are equal bit for bit only in equal versions."""
    for name, version_now in new.items():
        version_then = old.get(name) if isinstance(old, dict) else None
        if version_then != version_now:
            note(f"the run started with {name} {version_then}; this is {version_now}")
