"""A loss, a metric and a callback for plain Keras `compile`, `fit` and `evaluate`.

    model.compile(optimizer, loss=TrainingLoss(), weighted_metrics=[Perplexity()])
    model.fit(train.dataset(), validation_data=valid.dataset(), shuffle=False,
              callbacks=[ResetState()])

They give the same loss and perplexity as this project's own training on its windows. A batch of
`Windows.dataset` is (tokens, targets, mask), each `[B, T]`. The mask is 0 for padding; Keras takes
it as sample weights. Keras hands it to the loss and to `weighted_metrics`, but not to `metrics`.
Its own averages count padding too.

Axis letters: B = batch_size, T = num_steps, V = vocabulary size.
"""

from __future__ import annotations

import keras
import tensorflow as tf

registered = keras.saving.register_keras_serializable("models")


@registered
class TrainingLoss(keras.losses.Loss):
    """The tutorial's training loss in nats: cross-entropy summed over T and averaged over B.

    In a window with padding, it is T times the mean over the real targets. For an epoch, Keras
    reports the mean over the windows. So exp(loss / T) is the perplexity only if no window has
    padding; use `Perplexity` for the exact value.
    """

    def __init__(self, name="training_loss", reduction="mean_with_sample_weight", dtype=None):
        super().__init__(name, reduction, dtype)

    def call(self, targets, logits):
        nats = _nats(targets, logits)
        return nats * tf.cast(tf.shape(nats)[1], nats.dtype)


@registered
class Perplexity(keras.metrics.Metric):
    """The exact perplexity of an epoch or an evaluation, as a Keras metric.

    Put it into `weighted_metrics`. It is exp(nats / tokens) over all real targets. Nats and tokens
    are summed in float64 and divided once, so the result does not depend on the windows' size. It
    equals that of `ptb.evaluate` for the same rows. NaN if there was no target.
    """

    def __init__(self, name="perplexity", dtype=None):
        super().__init__(dtype, name)
        self.nats = self.add_variable((), "zeros", "float64", name="nats")
        self.tokens = self.add_variable((), "zeros", "float64", name="tokens")

    def update_state(self, targets, logits, sample_weight=None):
        """Adds a batch: targets and mask `[B, T]`, logits `[B, T, V]`.

        Raises ValueError if there is no mask: Keras passes it to `weighted_metrics` only.
        """
        if sample_weight is None:
            raise ValueError(
                "Perplexity needs the mask of the windows: give it in weighted_metrics of compile, "
                "not in metrics, and batches of (tokens, targets, mask)"
            )
        mask = tf.cast(sample_weight, tf.float64)
        nats = tf.cast(_nats(targets, logits), tf.float64)
        self.nats.assign_add(tf.reduce_sum(tf.where(mask > 0, nats * mask, 0.0)))
        self.tokens.assign_add(tf.reduce_sum(mask))

    def result(self):
        return tf.exp(self.nats / self.tokens)


class ResetState(keras.callbacks.Callback):
    """A callback that zeroes the state of a stateful model whenever another text begins.

    It does so before each epoch, and before and after each validation, evaluation and prediction.
    Without it, the end of one text would be the context of the beginning of another.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.model.reset_state()

    def _on_another_text(self, logs=None):
        self.model.reset_state()

    on_test_begin = on_test_end = on_predict_begin = on_predict_end = _on_another_text


def _nats(targets, logits):
    """The cross-entropy float32 `[B, T]`. Keras hands the targets over as floats."""
    targets, logits = tf.cast(targets, tf.int32), tf.cast(logits, tf.float32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
