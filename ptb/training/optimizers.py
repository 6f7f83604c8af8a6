"""The optimizers: plain SGD, as in the tutorial, and AdamW.

Both can keep a moving average of the weights.

    optimizer.apply(variables, gradients, learning_rate, scale)

`scale` is the clip's factor, min(1, max_grad_norm / norm): each optimizer takes it into its one
pass over the weights, without a clipped copy of the gradient.

The state of an optimizer is in `slots` (a `tf.Variable` for each weight, by kind and then by the
name of the weight) and `counters` (scalars by name). `weights` are the trained weights by name, in
the order of the variables that `apply` gets.

The operations are those beneath `tf.Variable`'s methods, which on several replicas would ask how to
join their updates: all of them make the same one, each to its own copy.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from ptb.machine.cores import on_gpu
from ptb.training.config import Config
from ptb.training.state import AVERAGE, COUNT

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
ETA = 8  # of `Averaged`

Slots = dict[str, dict[str, tf.Variable]]
Counters = dict[str, tf.Variable]


class SGD:
    """weight -= learning_rate * scale * gradient."""

    def __init__(self, weights: Mapping):
        self.slots: Slots = {}
        self.counters: Counters = {}

    def apply(self, variables: list, gradients: list, learning_rate, scale) -> None:
        rate = learning_rate * scale
        for variable, gradient in zip(variables, gradients, strict=True):
            # On a GPU, a deterministic scatter copies the whole variable to the CPU and back.
            if isinstance(gradient, tf.IndexedSlices) and not on_gpu():  # only the rows it names
                tf.raw_ops.ResourceScatterSub(
                    resource=variable.handle,
                    indices=gradient.indices,
                    updates=rate * gradient.values,
                )
            else:
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=variable.handle, alpha=rate, delta=_dense(gradient, variable)
                )


class AdamW:
    """Adam with decoupled weight decay (Kingma and Ba, arXiv 1412.6980; arXiv 1711.05101).

        m = BETA_1 m + (1 - BETA_1) g          v = BETA_2 v + (1 - BETA_2) g^2
        weight -= learning_rate * (m / (1 - BETA_1^t) / (sqrt(v / (1 - BETA_2^t)) + EPSILON)
                                   + weight_decay * weight)

    g is the gradient times `scale`. Biases do not decay. EPSILON is divided by
    sqrt(1 - BETA_2^t) as well, as in TensorFlow's own kernel: there it is added to sqrt(v).
    """

    def __init__(self, weights: Mapping, weight_decay: float = 0.0):
        self._weight_decay = weight_decay
        self.slots: Slots = {"m": _zeros(weights), "v": _zeros(weights)}
        self._updates = tf.Variable(0, trainable=False)
        self.counters: Counters = {"updates": self._updates}

    def apply(self, variables: list, gradients: list, learning_rate, scale) -> None:
        tf.raw_ops.AssignAddVariableOp(resource=self._updates.handle, value=1)
        updates = tf.cast(self._updates.read_value(), tf.float32)
        moments = (kind.values() for kind in self.slots.values())
        for variable, gradient, m, v in zip(variables, gradients, *moments, strict=True):
            if self._weight_decay and len(variable.shape) > 1:
                tf.raw_ops.AssignSubVariableOp(
                    resource=variable.handle, value=learning_rate * self._weight_decay * variable
                )
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                beta1_power=tf.pow(BETA_1, updates),
                beta2_power=tf.pow(BETA_2, updates),
                lr=learning_rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=scale * _dense(gradient, variable),
            )


class Averaged:
    """Another optimizer, and a moving average of the weights after each step.

        new = max(1 - momentum, (1 + eta) / (t + eta))       after step t = 1, 2, ...
        average = (1 - new) * average + new * weight

    So it is an average over about the last ninth of all steps, until 1 - momentum is more. A short
    run then forgets its first weights too. This is the polynomial-decay averaging of Shamir and
    Zhang 2013 (arXiv 1212.1824) with eta = 8, and with an end. Steps start from the weights, not
    from their average. The name of the momentum is Keras's.
    """

    def __init__(self, optimizer, weights: Mapping, momentum: float):
        self._optimizer, self._momentum = optimizer, momentum
        self._steps = tf.Variable(0, trainable=False)
        self.slots: Slots = {**optimizer.slots, AVERAGE: _zeros(weights)}
        self.counters: Counters = {**optimizer.counters, COUNT: self._steps}

    def apply(self, variables: list, gradients: list, learning_rate, scale) -> None:
        self._optimizer.apply(variables, gradients, learning_rate, scale)
        tf.raw_ops.AssignAddVariableOp(resource=self._steps.handle, value=1)
        steps = tf.cast(self._steps.read_value(), tf.float32)
        new = tf.maximum(1 - self._momentum, (ETA + 1) / (steps + ETA))
        for variable, average in zip(variables, self.slots[AVERAGE].values(), strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=average.handle, alpha=new, delta=average.read_value() - variable.read_value()
            )


def _zeros(weights: Mapping) -> dict[str, tf.Variable]:
    """A variable of zeros for each weight, by its name."""
    return {
        name: tf.Variable(tf.zeros(weight.shape), trainable=False)
        for name, weight in weights.items()
    }


def _dense(gradient, variable):
    """The gradient of `variable` as a tensor of its shape."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
    return gradient


def named_trainable_weights(model) -> dict:
    """The model's `trainable_weights` by name, in their order."""
    names = {id(weight): name for name, weight in model.own_weights().items()}
    return {names[id(weight)]: weight for weight in model.trainable_weights}


def make_optimizer(
    name: str, weights: Mapping, weight_decay: float = 0.0, ema_momentum: float = 0.0
) -> SGD | AdamW | Averaged:
    """The optimizer of that name for `weights`, Keras variables or tensors with a shape, by name.

    With an `ema_momentum` above 0 the weights are averaged. Raises ValueError for an unknown name.
    """
    if name == "sgd":
        optimizer: SGD | AdamW = SGD(weights)
    elif name == "adamw":
        optimizer = AdamW(weights, weight_decay)
    else:
        raise ValueError(f"optimizer={name} is unknown")
    return Averaged(optimizer, weights, ema_momentum) if ema_momentum else optimizer


def optimizer_of(model, config: Config) -> SGD | AdamW | Averaged:
    """The optimizer that `config` describes for a model's trainable weights."""
    weights = named_trainable_weights(model)
    return make_optimizer(config.optimizer, weights, config.weight_decay, config.ema_momentum)
