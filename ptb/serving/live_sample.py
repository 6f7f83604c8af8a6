"""A text from a model that is still being trained."""

from __future__ import annotations

import tensorflow as tf

from ptb.data.text import join
from ptb.data.vocabulary import EOS, Vocabulary
from ptb.serving.sampling import Sampling, row_seed, sample


def sample_text(model, vocabulary: Vocabulary, tokens: str, num_words: int, seed: int) -> str:
    """`num_words` words that a `LanguageModel` draws after `<eos>`, one by one, as a text.

    Nothing is traced, so a sample costs little more than its words.
    """
    ids = tf.constant([[vocabulary.id_of(EOS)]])
    state, seeds, drawn = model.initial_state(1), row_seed(seed, 0)[None], []
    for step in range(num_words):
        logits, state = model(ids, state)
        ids = sample(logits[:, -1], Sampling(), seeds, tf.constant(step))[:, None]
        drawn.append(int(ids[0, 0]))
    return "".join(join(vocabulary.decode(drawn), tokens))
