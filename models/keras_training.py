"""What plain `compile`, `fit` and `evaluate` need to give this project's figures on its windows.

    model.compile(optimizer, loss=TrainingLoss(), weighted_metrics=[Perplexity()])
    model.fit(train.dataset(), validation_data=valid.dataset(), shuffle=False,
              callbacks=[ResetState()])

A batch of `Windows.dataset` is (tokens, targets, mask), each `[B, T]`; Keras takes the mask, which
is 0 for padding, as sample weights. It hands them to the loss and to `weighted_metrics`, but not to
`metrics`, and it averages over all B T entries and over windows, whatever is padding.

Axis letters: B = batch_size, T = num_steps, V = vocabulary size.
"""

from __future__ import annotations

import keras
import tensorflow as tf

registered = keras.saving.register_keras_serializable("models")


@registered
class TrainingLoss(keras.losses.Loss):
    """The tutorial's loss: the sum over T of the mean over B of the cross-entropy, in nats.

    In a window with padding it is T times the mean over the real targets. What Keras reports for an
    epoch is the mean over the windows, so only if none has padding is exp(loss / T) the perplexity.
    """

    def __init__(self, name="training_loss", reduction="mean_with_sample_weight", dtype=None):
        super().__init__(name, reduction, dtype)

    def call(self, targets, logits):
        nats = _nats(targets, logits)
        return nats * tf.cast(tf.shape(nats)[1], nats.dtype)


@registered
class Perplexity(keras.metrics.Metric):
    """exp(nats / tokens) over every real target of an epoch or an evaluation, exact.

    Belongs in `weighted_metrics`. Nats and tokens are summed in float64 and divided once, so the
    figure does not depend on how the text was cut into windows: it is that of
    `ptb.training.perplexity.Evaluator` for the same rows. NaN if there was no target.
    """

    def __init__(self, name="perplexity", dtype=None):
        super().__init__(dtype, name)
        self.nats = self.add_variable((), "zeros", "float64", name="nats")
        self.tokens = self.add_variable((), "zeros", "float64", name="tokens")

    def update_state(self, targets, logits, sample_weight=None):
        """Adds a batch: targets and the mask `[B, T]`, logits `[B, T, V]`.

        Raises ValueError without a mask: Keras gives it to `weighted_metrics` alone.
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
    """Zeroes the state of a stateful model where another text begins.

    That is before each epoch, and before and after each validation, evaluation and prediction.
    Without it the last window of one text would be the context of the first of another.
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
