"""What a step does with the clipped gradient: plain SGD, the tutorial's, or AdamW.

Either may keep an average of the weights.

    optimizer.apply(variables, gradients, learning_rate, scale)

`scale` is the clip's factor, min(1, max_grad_norm / norm): each optimizer takes it into its one
pass over the weights, without a clipped copy of the gradient. `slots` are what the optimizer
remembers from step to step, each a `tf.Variable` under its name. `averages` are those of the
weights, a `tf.Variable` for each in the order of the weights; empty if none are kept.

The operations are those beneath `tf.Variable`'s methods, which on several replicas would ask how to
join their updates: all of them make the same one, each to its own copy.
"""

from __future__ import annotations

import tensorflow as tf

from ptb.machine.cores import on_gpu

BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8


class SGD:
    """weight -= learning_rate * scale * gradient."""

    def __init__(self, weights: list):
        self.slots = {}
        self.averages = []

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

    g is the gradient times `scale`. Biases do not decay. EPSILON is scaled by
    sqrt(1 - BETA_2^t), as TensorFlow's own kernel has it.
    """

    def __init__(self, weights: list, weight_decay: float = 0.0):
        self._weight_decay = weight_decay
        self._moments = [
            [tf.Variable(tf.zeros(weight.shape), trainable=False) for _ in range(2)]
            for weight in weights
        ]
        self._updates = tf.Variable(0, trainable=False)
        self.averages = []
        self.slots = {"updates": self._updates}
        for i, (m, v) in enumerate(self._moments):
            self.slots |= {f"m{i}": m, f"v{i}": v}

    def apply(self, variables: list, gradients: list, learning_rate, scale) -> None:
        tf.raw_ops.AssignAddVariableOp(resource=self._updates.handle, value=1)
        updates = tf.cast(self._updates.read_value(), tf.float32)
        for variable, gradient, (m, v) in zip(variables, gradients, self._moments, strict=True):
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
    """Another optimizer, and an exponential average of the weights after each of its steps.

        keep = min(momentum, 1 - 1 / t)            after step t = 1, 2, ...
        average = keep * average + (1 - keep) * weight

    So it is the plain mean of the weights after all steps, until there are 1 / (1 - momentum) of
    them. Steps start from the weights, not from their average, as in Polyak and Juditsky 1992
    (DOI 10.1137/0330046), who take the plain mean; the name of the momentum is Keras's.
    """

    def __init__(self, optimizer, weights: list, momentum: float):
        self._optimizer, self._momentum = optimizer, momentum
        self._steps = tf.Variable(0, trainable=False)
        self.slots = {**optimizer.slots, "averaged": self._steps}
        self.averages = [tf.Variable(tf.zeros(each.shape), trainable=False) for each in weights]

    def apply(self, variables: list, gradients: list, learning_rate, scale) -> None:
        self._optimizer.apply(variables, gradients, learning_rate, scale)
        tf.raw_ops.AssignAddVariableOp(resource=self._steps.handle, value=1)
        steps = tf.cast(self._steps.read_value(), tf.float32)
        new = tf.maximum(1 - self._momentum, 1 / steps)
        for variable, average in zip(variables, self.averages, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=average.handle, alpha=new, delta=average.read_value() - variable.read_value()
            )


def _dense(gradient, variable):
    """The gradient of `variable` as a tensor of its shape."""
    if isinstance(gradient, tf.IndexedSlices):
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
    return gradient


def make_optimizer(
    name: str, weights: list, weight_decay: float = 0.0, ema_momentum: float = 0.0
) -> SGD | AdamW | Averaged:
    """The optimizer of that name for `weights`, Keras variables or tensors with a shape.

    With an `ema_momentum` above 0 the weights are averaged. Raises ValueError for an unknown name.
    """
    if name == "sgd":
        optimizer = SGD(weights)
    elif name == "adamw":
        optimizer = AdamW(weights, weight_decay)
    else:
        raise ValueError(f"optimizer={name} is unknown")
    return Averaged(optimizer, weights, ema_momentum) if ema_momentum else optimizer
