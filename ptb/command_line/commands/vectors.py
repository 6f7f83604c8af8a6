"""Writes the word vectors of a trained model as text, in the format of word2vec.

    ptb vectors --save_path=RUN --out=FILE
    ptb vectors --save_path=RUN --of=softmax > FILE

The first line has the number of words and the size of a vector; every other line has a word and its
vector. Read the file with `gensim.models.KeyedVectors.load_word2vec_format(FILE)`, unless a token
has a space in it, as with --tokens=char or --tokens=wordpunct. Or start a run from it with
`ptb train --init_vectors=FILE`.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, check_output_file, run, user_errors
from ptb.command_line.text_source import define_data_flags
from ptb.command_line.trained_model import (
    check_text_flags,
    define_trained_model_flags,
    load_trained_model,
)
from ptb.data import word_vectors
from ptb.machine.atomic_file import write_atomically


def main() -> None:
    with user_errors():
        check_text_flags()
        trained = load_trained_model()
        weights = trained.weights
        vectors = weights["embedding"]
        # A tied softmax is the embedding.
        if FLAGS.of == "softmax" and "softmax_w" in weights:
            vectors = weights["softmax_w"].T
        lines = word_vectors.lines(trained.vocabulary.words, vectors)
        if FLAGS.out is None:
            for line in lines:
                print(line, end="")
            return
        size = f"{vectors.shape[0]} {vectors.shape[1]}\n".encode()
        check_output_file(FLAGS.out, f"--out={FLAGS.out}", size)
        write_atomically(
            Path(FLAGS.out), lambda file: file.writelines(line.encode() for line in lines)
        )


def start() -> None:
    """Defines the flags and runs the command."""
    define_trained_model_flags()
    with flag_group("vectors"):
        define_path("out", None, "File to write. Default: standard output.")
        flags.DEFINE_enum(
            "of",
            "embedding",
            ["embedding", "softmax"],
            "The embedding, by which the model reads words, or the softmax weights, by which it "
            "predicts them.",
        )
    define_data_flags("The text that --tutorial_checkpoint was trained on", "none")
    run(main)
