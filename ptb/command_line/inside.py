"""`ptb explain --inside`: shows what happens inside a trained model while it reads a text."""

from __future__ import annotations

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS, note, typed_command, user_errors
from ptb.command_line.trained_model import (
    check_text_flags,
    define_trained_model_flags,
    load_trained_model,
)
from ptb.command_line.without_effect import refuse_without_effect
from ptb.data.text import shown
from ptb.data.vocabulary import EOS
from ptb.machine import strict_json
from ptb.machine.environment import versions
from ptb.machine.escape import escape

MAX_WORDS = 200  # importance needs a row of the text for each of its words
MAX_UNITS = 20
VARYING, AGREEMENT = "varying", "agreement"
READ_WITH_INSIDE = (
    *("save_path", "checkpoint", "tutorial_checkpoint"),
    *("text", "units", "layer", "json"),
)
READ_WITHOUT = (
    *("cell", "unroll", "batch_size", "num_steps", "window", "seed"),
    *("tokens", "lowercase", "min_count", "split"),
)


def define_inside_flags() -> None:
    """Defines `--inside` and the flags that only have an effect with it."""
    group = "inside a trained model"
    with flag_group(group):
        flags.DEFINE_bool(
            "inside",
            False,
            "Show the gates, the state, the surprisal and the gradients of a trained model while "
            "it reads --text.",
        )
    define_trained_model_flags(group)
    with flag_group(group):
        flags.DEFINE_string(
            "text",
            None,
            "With --inside: the text that the model reads, from a state of zeros. Default: none.",
        )
        flags.DEFINE_string(
            "units",
            VARYING,
            f"With --inside: the units to show. {VARYING}: the three whose output varies most. "
            f"{AGREEMENT}: the ones that follow the agreements of the built-in corpus. Or numbers, "
            "for example 3,17.",
        )
        flags.DEFINE_integer(
            "layer",
            None,
            "With --inside: the layer to show; 0 is the bottom. Default: the top layer.",
            0,
        )
        flags.DEFINE_bool("json", False, "With --inside: print all numbers as JSON.")


def check_inside_flags() -> None:
    """Raises ValueError for flags that have no effect: without `--inside`, or beside it."""
    if not FLAGS.inside:
        refuse_without_effect(READ_WITH_INSIDE, without="--inside")
        return
    refuse_without_effect(READ_WITHOUT, "with --inside")
    check_text_flags()
    if FLAGS.text is None:
        raise ValueError('--text is missing: give the words to read, such as --text="the company"')


def look():
    """Runs the model of the flags on `--text`.

    Returns:
      the `TrainedModel`, the `Inside` of the text, the units to show, and the units that track
      agreements (empty unless `--units=agreement`).
    """
    with user_errors():
        trained = load_trained_model()
        words = trained.split(FLAGS.text)
        if not 2 <= len(words) <= MAX_WORDS:
            raise ValueError(
                f"--text has {len(words)} tokens: give from 2 to {MAX_WORDS}; nothing predicts the "
                "first"
            )
        if trained.borders:  # a document begins
            words = [EOS, *words]
        ids = trained.vocabulary.encode(words)
        layer = _layer(trained.config.num_layers)
        named = _named_units(trained)
        start_tensorflow()
        model = trained.build("static")

    from ptb.explain import inside  # noqa: PLC0415

    num_unknown = sum(ids == trained.vocabulary.unknown_id)
    if num_unknown:
        note(f"{num_unknown:,} of {len(ids):,} tokens are <unk>")
    written = [shown(word, trained.tokens) for word in words]
    num_steps, borders = trained.config.num_steps, trained.borders
    found = inside.look_inside(model, written, ids, layer, num_steps, borders)
    trackings = []
    if named is None and FLAGS.units == AGREEMENT:
        trackings = inside.agreement_units(model, trained.vocabulary, layer)
        units = inside.best_of_each_agreement(trackings)
    else:
        units = named or inside.units_that_vary_most(model, found)
    return trained, found, units, trackings


def print_inside(trained, found, units, trackings) -> None:
    """Prints the result on stdout, as text or as JSON."""
    from ptb.explain.inside_text import as_json, inside_text, trackings_text  # noqa: PLC0415

    if FLAGS.json:
        origin = {
            "command": typed_command(),
            "model": trained.name,
            "corpus": {key: trained.corpus.get(key) for key in ("name", "fingerprint")},
            "versions": versions(),
        }
        print(strict_json.dumps(origin | as_json(found, units, trackings)))
        return
    print(f"{escape(trained.name)}\n\n{inside_text(found, units, FLAGS.language)}")
    if trackings:
        print(f"\n{trackings_text(trackings, FLAGS.language)}")


def _layer(num_layers: int) -> int:
    """The number of the layer; the top layer by default."""
    if FLAGS.layer is None:
        return num_layers - 1
    if FLAGS.layer >= num_layers:
        raise ValueError(f"--layer={FLAGS.layer}: the model has layers 0 to {num_layers - 1}")
    return FLAGS.layer


def _named_units(trained) -> list[int] | None:
    """The unit numbers in `--units`; None if it says `varying` or `agreement`.

    Raises ValueError for any other value, and for `agreement` if the run had another text.
    """
    if FLAGS.units == AGREEMENT:
        is_built_in = trained.source.get("dataset") == "grammar"
        if not is_built_in or trained.vocabulary.unknown_id is not None:
            raise ValueError(
                f"--units={AGREEMENT} needs a run on the whole built-in corpus: give numbers, or "
                f"--units={VARYING}"
            )
        return None
    if FLAGS.units == VARYING:
        return None
    size = trained.config.hidden_size
    units = FLAGS.units.split(",")
    if not all(each.isascii() and each.isdigit() and int(each) < size for each in units):
        raise ValueError(
            f"--units={FLAGS.units}: give {VARYING}, {AGREEMENT}, or numbers from 0 to {size - 1} "
            "with commas between"
        )
    if len(units) > MAX_UNITS:
        raise ValueError(f"--units has {len(units)} numbers: give at most {MAX_UNITS}")
    return [int(each) for each in units]
