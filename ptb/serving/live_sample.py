"""Samples a text from a model during training."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from ptb.data.documents import Borders
from ptb.data.text import join
from ptb.data.vocabulary import EOS, Vocabulary
from ptb.serving.sampling import Sampling, row_seed, sample


def sample_text(
    model,
    vocabulary: Vocabulary,
    tokens: str,
    num_words: int,
    seed: int,
    borders: Borders | None = None,
) -> str:
    """Samples `num_words` words from a `LanguageModel` after `<eos>`, and returns them as a text.

    With `borders`, the state is zeroed where a document begins. Nothing is traced, so a sample
    costs little more than its words.
    """
    ids, resets = [vocabulary.id_of(EOS)], None
    state, seeds = model.initial_state(1), row_seed(seed, 0)[None]
    for step in range(num_words):
        if borders:
            resets = tf.constant([borders.resets(np.array(ids[-2:]))[-1:]])
        logits, state = model(tf.constant([ids[-1:]]), state, resets=resets)
        word = sample(logits[:, -1], Sampling(), seeds, tf.constant(step))
        ids.append(int(word[0]))
    return "".join(join(vocabulary.decode(ids[1:]), tokens))
