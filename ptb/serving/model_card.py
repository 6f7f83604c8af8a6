"""The card of an exported model: what it is, its perplexities, and how to call it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re

from ptb.data.documents import NONE
from ptb.data.text import READINGS, UNITS, join
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary
from ptb.machine.environment import versions
from ptb.runs.trained_model import TrainedModel
from ptb.serving.limits import MAX_TEXT_BYTES, MAX_TOKENS, MAX_WORDS, max_rows

FORMAT = 1
SIGNATURES = {
    "next_word": 'the distribution of the word after `words` (rows end in "" where they are '
    "shorter), from a state and with the state after them; also `serving_default`",
    "next_id": "the scores of the word after `ids` (-1 after the end of shorter rows), from a "
    "state and with the state after them; an id is the number of a line of "
    "`assets/vocabulary.txt`, from 0; no operation on strings is in it",
    "initial_state": "the state before the first word, for a batch",
    "score": "how likely a text is: nats, perplexity, and the log probability of each token",
    "generate": "`prefix` and `num_words` words after it; a temperature of 0 takes the best word, "
    "a top_k of 0 keeps all words; the same seed gives the same text",
    "inside": "what happens in a layer while it reads the last `num_tokens` tokens of a text, or "
    "as many as one call allows: the gates and the state of `units` (none: those whose output "
    "varies most) by `names`, and the norm of the gradient of each log probability for the "
    "embedding of each earlier token",
}


def describe(trained: TrainedModel, signatures: dict, perplexities: dict) -> dict:
    """The card as plain values. It does not describe the machine that trained the model."""
    config = dataclasses.asdict(trained.config)
    if not trained.corpus:
        # Of a tutorial checkpoint only what its weights tell is known.
        known = ("hidden_size", "num_layers", "vocab_size", "cell", "forget_bias")
        config = {name: config[name] for name in known}
    state = signatures["initial_state"].structured_outputs
    return {
        "format": FORMAT,
        "name": trained.name,
        "tokens": trained.tokens,
        "reading": READINGS[trained.tokens],
        "example": example(trained.vocabulary, trained.tokens),
        "lowercase": trained.lowercase,
        "vocab_size": len(trained.vocabulary),
        "has_unknown": trained.vocabulary.unknown_id is not None,
        "num_weights": sum(weight.size for weight in trained.weights.values()),
        "config": config,
        "corpus": {
            name: trained.corpus.get(name) for name in ("name", "fingerprint", "vocab_size")
        },
        "perplexities": perplexities,
        "versions": {"trained_with": trained.versions, "exported_with": versions()},
        "limits": {
            "tokens_of_a_call": MAX_TOKENS,
            "bytes_of_a_call": MAX_TEXT_BYTES,
            "rows_of_a_call": max_rows(
                len(trained.vocabulary), sum(tensor.shape[1] for tensor in state.values())
            ),
            "num_words": MAX_WORDS,
        },
        "signatures": {
            name: {"does": does} | _tensors(signatures[name]) for name, does in SIGNATURES.items()
        },
    }


def example(vocabulary: Vocabulary, kind: str) -> dict:
    """An example for the card: two tokens that the model can read, and their text."""
    special = (EOS, UNKNOWN)
    plain = (t for t in vocabulary.words if t not in special and t.isalnum() and len(t) < 20)
    tokens = [*itertools.islice(plain, 2), EOS, EOS][:2]
    return {"tokens": tokens, "text": "".join(join(tokens, kind))}


def to_markdown(card: dict) -> str:
    """The card as Markdown, for people."""
    config = card["config"]
    unit = UNITS[card["tokens"]]
    others = "read as `<unk>`" if card["has_unknown"] else "refused"
    others = (
        f"Other {unit} are {others}." if card["tokens"] != "subword" else "Any text can be read."
    )
    letters = "; capitals are read as small letters" if card["lowercase"] else ""
    layers = f"{config['num_layers']} x {config['hidden_size']} {config['cell']}"
    corpus, state = card["corpus"], card["signatures"]["initial_state"]["outputs"]
    trained_with = card["versions"]["trained_with"]
    trained_with = {_escaped(name): _escaped(version) for name, version in trained_with.items()}
    lines = [
        f"# {_escaped(card['name'])}",
        "",
        f"A recurrent language model: {layers}, {card['num_weights']:,} weights, "
        f"{card['vocab_size']:,} {unit}{letters}. {others}",
        "",
        f"{card['reading']} A line break is `{EOS}`.",
        "",
        f"Corpus: {_escaped(corpus['name'] or 'not recorded')}, "
        f"fingerprint {_escaped(corpus['fingerprint'] or 'not recorded')}",
        "",
        *_table("perplexity", card["perplexities"].items()),
        *_table("config", config.items()),
        *_table("trained with", trained_with.items()),
        *_table("exported with", card["versions"]["exported_with"].items()),
        _how_to_call(state, card["limits"], card["example"], config.get("reset_at", NONE)),
    ]
    for name, signature in card["signatures"].items():
        lines += [
            f"### `{name}`",
            "",
            f"{signature['does'][0].upper()}{signature['does'][1:]}.",
            "",
        ]
        for title in ("inputs", "outputs"):
            lines += _table(title, signature[title].items())
    return "\n".join(lines).rstrip() + "\n"


# How many tensors a state has depends on the layers, so the examples pass them on by name.
_HOW_TO_CALL = """\
## How to call it

TensorFlow is all that a client needs. Load only a model whose maker you trust: TensorFlow runs it.

```python
import tensorflow as tf

model = tf.saved_model.load("THIS FOLDER")
call = model.signatures

call["score"](text=tf.constant([{text}, {line}]))["perplexity"]
call["generate"](
    prefix=tf.constant([{text}]),
    num_words=tf.constant(20),
    temperature=tf.constant(1.0),
    top_k=tf.constant(0),
    seed=tf.constant(1),
)["text"]

state = call["initial_state"](batch_size=tf.constant(1))
for word in call["score"](text=tf.constant([{text}]))["tokens"][0]:
    answer = call["next_word"](words=word[None, None], **state)
    state = {name: answer[name] for name in state}
answer["top_words"]
```

```sh
saved_model_cli run --dir "THIS FOLDER" --tag_set serve --signature_def score \\
  --input_exprs 'text=[{text}]'
saved_model_cli run --dir "THIS FOLDER" --tag_set serve --signature_def initial_state \\
  --input_exprs 'batch_size=1' --outdir STATE
saved_model_cli run --dir "THIS FOLDER" --tag_set serve --signature_def next_word \\
  --input_exprs 'words=[{tokens}]' --inputs '{state_files}'
```

{first_token} Nothing is kept between calls: the state is the client's.

One call reads at most {tokens_of_a_call} tokens, padding included, of at most {bytes_of_a_call}
bytes, and takes at most {rows_of_a_call} rows. `generate` writes at most {num_words} words to a
row, and {tokens_of_a_call} in all.
"""
_FIRST_TOKEN = "The first token of a text is predicted by nothing, and costs nothing."
_FIRST_OF_DOCUMENT = (
    "A text begins a document, whose first token is predicted from `<eos>`. At each {at} another "
    "document begins, on which nothing before it has an influence."
)


def _how_to_call(state, limits: dict, example: dict, reset_at: str) -> str:
    """`_HOW_TO_CALL` with the state's names, a call's limits, what can be read, and documents."""
    values = {name: f"{value:,}" for name, value in limits.items()}
    values["text"] = json.dumps(example["text"], ensure_ascii=False)
    values["line"] = json.dumps(example["text"] + "\n", ensure_ascii=False)
    values["tokens"] = json.dumps(example["tokens"], ensure_ascii=False)
    values["state_files"] = ";".join(f"{name}=STATE/{name}.npy" for name in state)
    values["first_token"] = _FIRST_TOKEN
    if reset_at != NONE:
        values["first_token"] = _FIRST_OF_DOCUMENT.replace("{at}", reset_at.replace("_", " "))
    text = _HOW_TO_CALL
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _escaped(value) -> str:
    """Text of a stranger's run as Markdown that shows it, and that no reader takes for more."""
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
    # An underscore within a word means nothing.
    return re.sub(r"([\\`*{}\[\]<>#|&~!]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", "".join(shown))


def _table(title: str, rows) -> list[str]:
    shown = ((name, f"{v:.6g}" if isinstance(v, float) else v) for name, v in rows)
    rows = [f"| {name} | {value} |" for name, value in shown]
    return [f"| {title} | |", "|---|---|", *rows, ""] if rows else []


def _tensors(signature) -> dict:
    """Names, types and shapes of what a concrete function takes and gives."""

    def text(spec) -> str:
        shape = ["any" if size is None else str(size) for size in spec.shape]
        return f"{spec.dtype.name} [{', '.join(shape)}]"

    positional, named = signature.structured_input_signature
    inputs = {spec.name: text(spec) for spec in (*positional, *named.values())}
    outputs = signature.structured_outputs
    return {"inputs": inputs, "outputs": {name: text(outputs[name]) for name in outputs}}
