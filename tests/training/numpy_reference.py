"""The tutorial's training written out in NumPy with float64: an independent calculation.

Shares no code with the project: the forward pass, backpropagation through time by hand, the clip
and the update of a stack of LSTM layers without dropout. Without a softmax weight it is tied.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class NumpyTutorial:
    """`weights`: arrays by name, as `LanguageModel.export_weights` gives them."""

    def __init__(self, weights, batch_size, forget_bias, learning_rate, max_grad_norm):
        self.weights = {name: np.array(w, np.float64) for name, w in weights.items()}
        self.forget_bias = forget_bias
        self.learning_rate, self.max_grad_norm = learning_rate, max_grad_norm
        self.kernels = sorted(name for name in weights if name.endswith("kernel"))
        hidden_size = self.weights["embedding"].shape[1]
        self.state = [np.zeros((2, batch_size, hidden_size)) for _ in self.kernels]

    def step(self, inputs, targets):
        """One window, int `[B, T]` each: the cost and the gradient norm before the update."""
        batch_size, num_steps = inputs.shape
        w = self.weights
        layer_inputs = w["embedding"][inputs].transpose(1, 0, 2)
        tapes = []
        for layer, kernel in enumerate(self.kernels):
            tape, layer_inputs = self._forward(layer, kernel, layer_inputs)
            tapes.append(tape)
        softmax_w = w.get("softmax_w", w["embedding"].T)
        logits = layer_inputs @ softmax_w + w["softmax_b"]
        logits -= logits.max(axis=-1, keepdims=True)
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        steps, rows = np.arange(num_steps)[:, None], np.arange(batch_size)
        cost = -np.log(probabilities[steps, rows, targets.T]).sum() / batch_size

        d_logits = probabilities / batch_size
        d_logits[steps, rows, targets.T] -= 1 / batch_size
        d_softmax_w = np.einsum("tbh,tbv->hv", layer_inputs, d_logits)
        gradients = {"softmax_b": d_logits.sum(axis=(0, 1))}
        d_outputs = d_logits @ softmax_w.T
        for kernel, tape in reversed(list(zip(self.kernels, tapes, strict=True))):
            d_outputs, d_kernel, d_bias = self._backward(kernel, tape, d_outputs)
            gradients |= {kernel: d_kernel, kernel.replace("kernel", "bias"): d_bias}

        d_embedding = np.zeros_like(w["embedding"])
        np.add.at(d_embedding, inputs.T, d_outputs)
        if "softmax_w" in w:
            gradients["softmax_w"] = d_softmax_w
            # The embedding's rows enter the norm one by one, as TF1's IndexedSlices do.
            of_embedding = d_outputs
        else:
            # The sum of a dense gradient and of IndexedSlices is dense in TF1.
            d_embedding += d_softmax_w.T
            of_embedding = d_embedding
        norm = np.sqrt(sum((g**2).sum() for g in (*gradients.values(), of_embedding)))
        rate = self.learning_rate * min(1.0, self.max_grad_norm / norm)
        for name, gradient in (gradients | {"embedding": d_embedding}).items():
            w[name] -= rate * gradient
        return cost, norm

    def _forward(self, layer, kernel, layer_inputs):
        w, b = self.weights[kernel], self.weights[kernel.replace("kernel", "bias")]
        c, h = self.state[layer]
        tape, outputs = [], []
        for x in layer_inputs:
            xh = np.hstack([x, h])
            i, j, f, o = np.split(xh @ w + b, 4, axis=1)
            i, j, f, o = sigmoid(i), np.tanh(j), sigmoid(f + self.forget_bias), sigmoid(o)
            c_previous, c = c, f * c + i * j
            h = o * np.tanh(c)
            tape.append((xh, i, j, f, o, c_previous, c))
            outputs.append(h)
        self.state[layer] = np.stack([c, h])
        return tape, np.stack(outputs)

    def _backward(self, kernel, tape, d_outputs):
        w = self.weights[kernel]
        input_size = len(w) - w.shape[1] // 4
        d_kernel, d_bias = np.zeros_like(w), np.zeros(w.shape[1])
        d_c = d_h = 0.0
        d_inputs = np.zeros((*d_outputs.shape[:2], input_size))
        for t in reversed(range(len(tape))):
            xh, i, j, f, o, c_previous, c = tape[t]
            d_h = d_h + d_outputs[t]
            d_c = d_c + d_h * o * (1 - np.tanh(c) ** 2)
            d_gates = np.hstack(
                [
                    d_c * j * i * (1 - i),
                    d_c * i * (1 - j**2),
                    d_c * c_previous * f * (1 - f),
                    d_h * np.tanh(c) * o * (1 - o),
                ]
            )
            d_kernel += xh.T @ d_gates
            d_bias += d_gates.sum(axis=0)
            d_inputs[t], d_h = np.split(d_gates @ w.T, [input_size], axis=1)
            d_c = d_c * f
        return d_inputs, d_kernel, d_bias
