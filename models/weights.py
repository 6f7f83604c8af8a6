"""Names every weight by its path in the model, and checks that arrays fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from models import tf1_names


def check_weights(weights: Mapping, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError if a weight is missing, unknown, or has another shape than in `shapes`."""
    given = {name: tuple(weight.shape) for name, weight in weights.items()}
    if given != shapes:
        name = min(name for name, _ in given.items() ^ shapes.items())
        raise ValueError(
            f"the weight {name} has shape {given.get(name)} where the model has "
            f"{shapes.get(name)}: these weights are of another model"
        )


def weights_by_path(layer) -> dict:
    """Every weight of a layer by its path in the layer, such as `kernel` or `dense/bias`.

    Keras numbers layers of a kind over the whole process (`dense_7`). Here they are numbered within
    `layer`, so that a second model has the same names. Raises ValueError if two names are equal.
    """
    weights: dict = {}
    sublayers: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for weight in layer.weights:
        above, _, name = f"/{weight.path}".rpartition("/")
        below = f"{above}/".rpartition(f"/{layer.name}/")[2].lstrip("/")
        if below and below not in sublayers:
            kind = re.sub(r"_\d+(?=/)", "", below).rstrip("/")
            sublayers[below] = f"{kind}_{counts[kind]}/" if counts[kind] else f"{kind}/"
            counts[kind] += 1
        path = sublayers.get(below, "") + name
        if path in weights:
            raise ValueError(
                f"two weights of {layer.name} are called {path}: give each a name of its own"
            )
        weights[path] = weight
    return weights


class WeightsByPath:
    """A mixin that names the weights of a Keras model with a list of `recurrent` layers.

    A layer may keep its weights in a layout of its own. Outside, the weights of a cell have one
    canonical form, whichever layer unrolls the cell.
    """

    recurrent: list
    weights: list

    def own_weights(self) -> dict:
        """Every variable by its path, in the layout of its layer."""
        return self._by_path(lambda layer: layer.own_weights(), lambda variable: variable)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of `export_weights`, in the order in which `initialize` draws."""
        return self._by_path(
            lambda layer: layer.weight_shapes(), lambda variable: tuple(variable.shape)
        )

    def _by_path(self, of_layer: Callable, of_variable: Callable) -> dict:
        """The embedding, the layers from the bottom up, and the other variables of the model."""
        in_layers = {id(weight) for layer in self.recurrent for weight in layer.weights}
        ends = {w.name: of_variable(w) for w in self.weights if id(w) not in in_layers}
        values = {"embedding": ends.pop("embedding")}
        for i, layer in enumerate(self.recurrent):
            values |= {f"layers/{i}/{name}": value for name, value in of_layer(layer).items()}
        return values | ends

    def to_canonical(self, values: Mapping, are_weights: bool = True) -> dict:
        """Converts arrays by weight name from the layout of the layers into the canonical form.

        `are_weights` is False for arrays that are not weights themselves, such as gradients.
        """
        return self._converted(values, lambda layer, own: layer.to_canonical(own, are_weights))

    def from_canonical(self, values: Mapping, are_weights: bool = True) -> dict:
        """The inverse of `to_canonical`."""
        return self._converted(values, lambda layer, own: layer.from_canonical(own, are_weights))

    def _converted(self, values: Mapping, convert: Callable) -> dict:
        converted = {name: v for name, v in values.items() if not name.startswith("layers/")}
        for i, layer in enumerate(self.recurrent):
            path = f"layers/{i}/"
            own = {n.removeprefix(path): v for n, v in values.items() if n.startswith(path)}
            converted |= {f"{path}{name}": v for name, v in convert(layer, own).items()}
        return converted

    def export_weights(self) -> dict[str, np.ndarray]:
        """Every weight as an array, by path such as `layers/0/kernel`, in the canonical form."""
        own = {name: variable.numpy() for name, variable in self.own_weights().items()}
        weights = self.to_canonical(own)
        return {name: weights[name] for name in self.weight_shapes()}

    def import_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Loads weights from `export_weights` of a model of this shape, or from the tutorial.

        Raises ValueError if a weight is missing, unknown, or has another shape.
        """
        weights = tf1_names.renamed(weights)
        check_weights(weights, self.weight_shapes())
        own = self.from_canonical(weights)
        for name, variable in self.own_weights().items():
            variable.assign(own[name])
