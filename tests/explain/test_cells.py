"""The worked step is what the cells of `models` compute."""

import numpy as np
import pytest

from models.cells import BasicRNNCell, GRUCell, LSTMCell
from ptb.explain.cells import WEIGHTS, C, H, X, cells_text, worked_step


def affine(*names, cell):
    """Kernel [2, parts] and bias [parts] of these parts, in the cell's order."""
    x, h, bias = np.transpose([WEIGHTS[cell][name] for name in names])
    return np.array([x, h], np.float32), np.array(bias, np.float32)


def computed(name):
    """The new state of a cell with one unit and the weights of the worked step."""
    x, h, c = (np.full([1, 1], value, np.float32) for value in (X, H, C))
    if name == "RNN":
        cell, weights, state = BasicRNNCell(1), affine("h'", cell=name), (h,)
    elif name == "GRU":
        cell, state = GRUCell(1), (h,)
        weights = (*affine("r", "u", cell=name), *affine("n", cell=name))
    else:
        cell, state = LSTMCell(1, forget_bias=0.0), (c, h)
        weights = affine(*"ijfo", cell=name)
    cell.build([None, 1])
    cell.set_weights(weights)
    _, new = cell(x, state)
    return [float(value[0, 0]) for value in new]


@pytest.mark.parametrize("cell", list(WEIGHTS))
def test_the_numbers_that_are_shown_are_those_that_the_cell_computes(cell):
    shown = {part.symbol: part.value for part in worked_step(cell)}
    names = ["c'", "h'"] if cell == "LSTM" else ["h'"]
    assert [shown[name] for name in names] == pytest.approx(computed(cell), rel=1e-6)


def test_each_line_is_an_equation_with_its_numbers():
    lines = cells_text(80).splitlines()
    assert "  h' = u h + (1 - u) n = 0.750 x 0.5 + 0.250 x 0.762 = 0.565" in lines
    assert "  c' = f c + i j = 0.769 x 0.8 + 0.668 x 0.818 = 1.161" in lines
    assert any(line.startswith("  f  = ") and line.endswith("forget gate") for line in lines)
