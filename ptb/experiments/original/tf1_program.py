"""The tutorial's model, reader and training, built from TensorFlow 1.15's own parts.

A program of its own, for the Python 3.7 that has TensorFlow 1.15.5: it imports nothing of this
project. Each line of standard input is a command, `[name, argument, ...]`, each line of standard
output its answer, in JSON. Arrays travel in .npz files. `ptb.experiments.original.oracle` speaks
to it.

Axis letters: B = batch_size, T = num_steps, L = num_layers, H = hidden_size, V = vocab_size,
K = windows.
"""

# ruff: noqa: B905, UP031  (Python 3.7)
import json
import os
import resource
import sys
import time
import traceback

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF2_BEHAVIOR"] = "0"  # which TensorFlow 2 sets in every process that it starts

import numpy as np
import tensorflow as tf

MODEL = "Model"
KIB = 1024


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    original = Original()
    commands = {
        name: getattr(original, name)
        for name in ("version", "open", "train", "score", "weights", "save", "restore", "unroll")
    }
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = commands[name](*arguments)
        except Exception as error:
            traceback.print_exc()
            # The last line is the reason: what TensorFlow says, and not how its graph was built.
            sys.exit("%s: %s" % (type(error).__name__, (str(error).splitlines() or [""])[0]))
        print(json.dumps(answer), file=answers, flush=True)


class Original:
    """The commands. `open` comes before all but `version` and `unroll`."""

    def version(self):
        """The version of TensorFlow, and the memory that its import took."""
        return {"version": tf.__version__, "peak_bytes": peak_bytes()}

    def open(self, settings, path):
        """Builds the graph that trains and, with the same weights, one for each text to score.

        The file `path` has the texts, int32 `[N]`: `text/train`, which may be scored too, in one
        row; and maybe `text/valid`, scored in B rows, and `text/test`, scored in one row with one
        step at a time. It may have `weights/NAME` for some weights, the others being drawn
        uniformly from +-init_scale, and `masks` `[K, L + 1, T, B, H]`: dropout's, in place of
        random ones.
        """
        tf.compat.v1.reset_default_graph()
        tf.compat.v1.set_random_seed(settings["seed"])
        arrays = load(path)
        scale = settings["init_scale"]
        draw = tf.compat.v1.random_uniform_initializer(-scale, scale)
        batch_size, num_steps = settings["batch_size"], settings["num_steps"]
        self._all_masks, masks = arrays.get("masks"), None
        if self._all_masks is not None:
            masks = tf.compat.v1.placeholder(tf.float32, self._all_masks.shape[1:])
        train = windows_of(arrays["text/train"], batch_size, num_steps)
        self._graph = Graph(settings, train, draw, True, masks)
        shapes = {"train": (1, num_steps), "valid": (batch_size, num_steps), "test": (1, 1)}
        self._scorers = {
            split: Graph(settings, windows_of(arrays["text/" + split], *shape), draw, False, None)
            for split, shape in shapes.items()
            if "text/" + split in arrays
        }
        self._session = tf.compat.v1.Session()
        self._session.run(tf.compat.v1.global_variables_initializer())
        self._coordinator = tf.train.Coordinator()
        tf.compat.v1.train.start_queue_runners(self._session, self._coordinator)
        for variable in tf.compat.v1.trainable_variables():
            given = arrays.get("weights/" + variable.op.name)
            if given is not None:
                variable.load(given, self._session)
        self._state = self._session.run(self._graph.initial_state)
        self._window = 0
        return {}

    def train(self, count, learning_rate, path=None, from_zero=False):
        """Trains on the next `count` windows, in order, the state carried from one to the next.

        The state before the first is the one that was left, or zero. The norm is the one that
        clips, fetched in the run that applies it. The file `path` gets the `inputs` and `targets`
        `[K, B, T]`, and what `_values` gives after each window.
        """
        graph, session = self._graph, self._session
        costs, norms, recorded = [], [], {}
        if from_zero:
            self._state = session.run(graph.initial_state)
        graph.learning_rate.load(learning_rate, session)
        began = time.time()
        for _ in range(count):
            feeds = {}
            for placeholder, value in zip(flat(graph.initial_state), flat(self._state)):
                feeds[placeholder] = value
            if graph.masks is not None:
                feeds[graph.masks] = self._all_masks[self._window]
            fetches = [graph.cost, graph.norm, graph.final_state, graph.update]
            if path:
                fetches += [graph.inputs, graph.targets]
            cost, norm, self._state, _, *tokens = session.run(fetches, feeds)
            costs.append(float(cost))
            norms.append(float(norm))
            self._window += 1
            if path:
                values = self._values()
                values.update(zip(("inputs", "targets"), tokens))
                for name, value in values.items():
                    recorded.setdefault(name, []).append(value)
        seconds = time.time() - began
        if path:
            np.savez(path, **{name: np.stack(values) for name, values in recorded.items()})
        return {"costs": costs, "norms": norms, "seconds": seconds, "peak_bytes": peak_bytes()}

    def _values(self):
        """Every weight, `weights/NAME`, and each part of the state, `state/LAYER/PART` `[B, H]`."""
        variables = tf.compat.v1.trainable_variables()
        weights = self._session.run(variables)
        values = {"weights/" + v.op.name: w for v, w in zip(variables, weights)}
        for layer, state in enumerate(self._state):
            for part, value in enumerate(flat(state)):
                values["state/%d/%d" % (layer, part)] = value
        return values

    def score(self, split, count):
        """The nats of the next `count` windows of a text, from a zero state, without dropout."""
        graph, session = self._scorers[split], self._session
        state, nats, began = session.run(graph.initial_state), 0.0, time.time()
        for _ in range(count):
            feeds = dict(zip(flat(graph.initial_state), flat(state)))
            cost, state = session.run([graph.cost, graph.final_state], feeds)
            nats += float(cost)
        return {"nats": nats, "seconds": time.time() - began, "peak_bytes": peak_bytes()}

    def weights(self, path):
        """Writes every weight and the state, as `train` does after a window."""
        np.savez(path, **self._values())
        return {}

    def save(self, prefix):
        """Writes a checkpoint with every variable of the tutorial's graph; its path.

        The file `checkpoint`, which names the newest one of a folder, is left as it is.
        """
        saver = tf.compat.v1.train.Saver()
        return saver.save(self._session, prefix, write_meta_graph=False, write_state=False)

    def restore(self, prefix):
        """Reads a checkpoint, which must have every variable of the tutorial's graph."""
        tf.compat.v1.train.Saver().restore(self._session, prefix)
        return {}

    def unroll(self, settings, path, result):
        """`tf.nn.static_rnn` over the stack of cells alone, where rows may end early.

        The file `path` has `inputs` `[T, B, H]`, `sequence_length` int32 `[B]`, `loss_weights`
        `[T, B, H]`, `initial/LAYER/PART` `[B, H]` and `weights/NAME`. The file `result` gets
        `outputs` `[T, B, H]`, `state/LAYER/PART`, and the gradients of sum(outputs * loss_weights):
        `gradients/NAME` and `gradients/inputs`.
        """
        tf.compat.v1.reset_default_graph()
        arrays = load(path)
        inputs = tf.constant(arrays["inputs"])
        cell = stack(settings, None)
        zeros = cell.zero_state(arrays["inputs"].shape[1], tf.float32)
        given = [
            tf.constant(arrays["initial/%d/%d" % (layer, part)])
            for layer, state in enumerate(zeros)
            for part, _ in enumerate(flat(state))
        ]
        with tf.compat.v1.variable_scope(MODEL):
            outputs, state = tf.nn.static_rnn(
                cell,
                tf.unstack(inputs),
                tf.contrib.framework.nest.pack_sequence_as(zeros, given),
                sequence_length=arrays["sequence_length"],
                scope="RNN",
            )
        loss = tf.reduce_sum(tf.stack(outputs) * arrays["loss_weights"])
        variables = tf.compat.v1.trainable_variables()
        fetches = {"outputs": tf.stack(outputs), "gradients/inputs": tf.gradients(loss, inputs)[0]}
        for variable, gradient in zip(variables, tf.gradients(loss, variables)):
            fetches["gradients/" + variable.op.name] = gradient
        for layer, parts in enumerate(state):
            for part, value in enumerate(flat(parts)):
                fetches["state/%d/%d" % (layer, part)] = value
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for variable in variables:
                variable.load(arrays["weights/" + variable.op.name], session)
            np.savez(result, **session.run(fetches))
        return {}


class Graph:
    """The model over one window: embedding, recurrent layers, softmax, loss, clip and update."""

    def __init__(self, settings, window, initializer, is_training, masks):
        inputs, targets = self.inputs, self.targets = window
        self.masks = masks
        batch_size, num_steps = inputs.shape.as_list()
        hidden_size, vocab_size = settings["hidden_size"], settings["vocab_size"]
        keep_prob = settings["keep_prob"] if is_training else 1.0
        reuse = tf.compat.v1.AUTO_REUSE
        with tf.compat.v1.variable_scope(MODEL, reuse=reuse, initializer=initializer):
            embedding = tf.compat.v1.get_variable("embedding", [vocab_size, hidden_size])
            embedded = tf.nn.embedding_lookup(embedding, inputs)
            if masks is not None:
                embedded *= tf.transpose(masks[0], [1, 0, 2])
            elif keep_prob < 1:
                embedded = tf.nn.dropout(embedded, rate=1 - keep_prob)
            cell = stack(settings, keep_prob, masks)
            self.initial_state = cell.zero_state(batch_size, tf.float32)
            steps = tf.unstack(embedded, num_steps, axis=1)
            outputs, self.final_state = tf.nn.static_rnn(
                cell, steps, self.initial_state, scope="RNN"
            )
            softmax_w = tf.compat.v1.get_variable("softmax_w", [hidden_size, vocab_size])
            softmax_b = tf.compat.v1.get_variable("softmax_b", [vocab_size])
        rows = tf.reshape(tf.stack(outputs, axis=1), [-1, hidden_size])
        logits = tf.compat.v1.nn.xw_plus_b(rows, softmax_w, softmax_b)
        nats = tf.contrib.seq2seq.sequence_loss(
            tf.reshape(logits, [batch_size, num_steps, vocab_size]),
            targets,
            tf.ones([batch_size, num_steps]),
            average_across_timesteps=False,
            average_across_batch=True,
        )
        self.cost = tf.reduce_sum(nats)
        if not is_training:
            return
        # Under the tutorial's names, which its saver asks a checkpoint for.
        self.learning_rate = tf.Variable(0.0, trainable=False, name="Train/Model/Variable")
        with tf.compat.v1.variable_scope(MODEL):
            step = tf.compat.v1.train.get_or_create_global_step()
        variables = tf.compat.v1.trainable_variables()
        gradients, self.norm = tf.clip_by_global_norm(
            tf.gradients(self.cost, variables), settings["max_grad_norm"]
        )
        optimizer = tf.compat.v1.train.GradientDescentOptimizer(self.learning_rate)
        self.update = optimizer.apply_gradients(zip(gradients, variables), step)


def stack(settings, keep_prob, masks=None):
    """The cells of all layers, each with dropout on its output where `keep_prob` is below 1."""
    size, forget_bias = settings["hidden_size"], settings["forget_bias"]
    cells = tf.compat.v1.nn.rnn_cell
    make = {
        "basic": lambda: cells.BasicLSTMCell(size, forget_bias=forget_bias),
        "block": lambda: tf.contrib.rnn.LSTMBlockCell(size, forget_bias=forget_bias),
        "peephole_lstm": lambda: cells.LSTMCell(size, use_peepholes=True, forget_bias=forget_bias),
        "gru": lambda: cells.GRUCell(size),
        "rnn": lambda: cells.BasicRNNCell(size),
    }[settings["cell"]]
    layers = [make() for _ in range(settings["num_layers"])]
    if masks is not None:
        layers = [GivenDropout(cell, masks[i + 1]) for i, cell in enumerate(layers)]
    elif keep_prob is not None and keep_prob < 1:
        layers = [cells.DropoutWrapper(cell, output_keep_prob=keep_prob) for cell in layers]
    return cells.MultiRNNCell(layers, state_is_tuple=True)


class GivenDropout(tf.compat.v1.nn.rnn_cell.DropoutWrapper):
    """`DropoutWrapper` with the masks `[T, B, H]` in place of those that it would draw."""

    def __init__(self, cell, masks):
        super().__init__(cell, output_keep_prob=0.5)  # below 1, so that `_dropout` is called
        self._steps = iter(tf.unstack(masks))

    def _dropout(self, values, *_, **__):
        return values * next(self._steps)


def windows_of(ids, batch_size, num_steps):
    """`inputs` and `targets` int32 `[B, T]` of the next window, from the queue of TensorFlow 1."""
    length = len(ids) // batch_size
    rows = tf.constant(ids[: batch_size * length].reshape(batch_size, length))
    count = (length - 1) // num_steps
    queue = tf.compat.v1.train.range_input_producer(count, shuffle=False)
    first = queue.dequeue() * num_steps

    def window(begin):
        tokens = tf.strided_slice(rows, [0, begin], [batch_size, begin + num_steps])
        tokens.set_shape([batch_size, num_steps])
        return tokens

    return window(first), window(first + 1)


def load(path):
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def flat(nest):
    return tf.contrib.framework.nest.flatten(nest)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


if __name__ == "__main__":
    main()
