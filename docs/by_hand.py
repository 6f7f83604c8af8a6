"""Backpropagation through time by hand, and its tables on the pages: python3 docs/by_hand.py

A plain RNN of two units reads three numbers; the loss is that of the last step. Every product is
written out here in NumPy. A test compares it with TensorFlow's automatic differentiation.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

DOCS = Path(__file__).parent
BLOCK = re.compile(r"<!--by hand: (\w+)-->\n.*?<!--end-->", re.S)

X = np.array([1.0, 0.0, 0.0])  # the inputs of steps 1, 2 and 3
W_X = np.array([0.5, -0.3])
W_H = np.array([[0.6, -0.4], [0.3, 0.5]])
H_0 = np.array([0.2, -0.1])  # from the window before
TARGET = 0  # of two words; the logits are h_3 itself
RATE = 1.0
MAX_GRAD_NORM = 0.25


def forward(w_x=W_X, w_h=W_H) -> tuple[list, list, np.ndarray, float]:
    """a_1 ... a_3 and h_0 ... h_3, `[2]` each; the probabilities of the words; the loss."""
    sums, states = [], [H_0]
    for x in X:
        sums.append(x * w_x + states[-1] @ w_h)
        states.append(np.tanh(sums[-1]))
    p = np.exp(states[-1]) / np.exp(states[-1]).sum()
    return sums, states, p, -np.log(p[TARGET])


def backward(states: list, p: np.ndarray) -> tuple[dict, dict, np.ndarray]:
    """By step t: the gradients of h_t and of a_t, `[2]` each. And that of h_0."""
    of_h, of_a = {3: p - np.eye(2)[TARGET]}, {}
    for t in (3, 2, 1):
        of_a[t] = (1 - states[t] ** 2) * of_h[t]
        of_h[t - 1] = of_a[t] @ W_H.T
    return of_h, of_a, of_h[0]


def terms() -> dict[int, np.ndarray]:
    """What each step t adds to the gradient of W_h, `[2, 2]`."""
    _, states, p, _ = forward()
    _, of_a, _ = backward(states, p)
    return {t: np.outer(states[t - 1], of_a[t]) for t in (3, 2, 1)}


def gradients() -> tuple[np.ndarray, np.ndarray]:
    """Of W_x and W_h: the sums over the steps."""
    _, states, p, _ = forward()
    _, of_a, _ = backward(states, p)
    return sum(X[t - 1] * of_a[t] for t in (1, 2, 3)), sum(terms().values())


def norm() -> float:
    """Of the gradient of all weights together."""
    return float(np.sqrt(sum((each**2).sum() for each in gradients())))


def updated() -> tuple[np.ndarray, np.ndarray]:
    """W_x and W_h after the clip and one update."""
    scale = min(1, MAX_GRAD_NORM / norm())
    of_x, of_h = gradients()
    return W_X - RATE * scale * of_x, W_H - RATE * scale * of_h


def with_tables_of_now(page: str) -> str:
    """The text of a page with the tables as they come out now."""
    return BLOCK.sub(
        lambda match: f"<!--by hand: {match[1]}-->\n\n{TABLES[match[1]]()}\n\n<!--end-->", page
    )


def _forward_table() -> str:
    sums, states, p, loss = forward()
    lines = [
        "| t | x_t | a_t = x_t W_x + h_{t-1} W_h | h_t = tanh(a_t) |",
        "|---|---|---|---|",
        f"| 0 | | | {_row(H_0)} |",
    ]
    for t in (1, 2, 3):
        lines.append(f"| {t} | {X[t - 1]:g} | {_row(sums[t - 1])} | {_row(states[t])} |")
    p = f"p = softmax(h_3) = {_row(p)}, L = -log p_0 = {loss:.4f}"
    return "\n".join(_code(line) for line in lines) + f"\n\n`{p}`"


def _backward_table() -> str:
    _, states, p, _ = forward()
    of_h, of_a, of_state = backward(states, p)
    lines = [
        "| t | ∂L/∂h_t | 1 - h_t² | ∂L/∂a_t | h_{t-1}ᵀ ∂L/∂a_t |",
        "|---|---|---|---|---|",
    ]
    for t in (3, 2, 1):
        slope = _row(1 - states[t] ** 2)
        lines.append(
            f"| {t} | {_row(of_h[t])} | {slope} | {_row(of_a[t])} | {_square(terms()[t])} |"
        )
    lines.append(f"| 0 | {_row(of_state)} | | | |")
    return "\n".join(_code(line) for line in lines)


def _gradient_table() -> str:
    some, parts = [], terms()
    for steps in (1, 2, 3):
        some.append(sum(parts[t] for t in range(4 - steps, 4)))
    lines = ["| num_steps | ∂L/∂W_h | ∂L/∂W_x |", "|---|---|---|"]
    _, states, p, _ = forward()
    of_a = backward(states, p)[1]
    for steps, of_w in enumerate(some, 1):
        of_x = sum(X[t - 1] * of_a[t] for t in range(4 - steps, 4))
        lines.append(f"| {steps} | {_square(of_w)} | {_row(of_x)} |")
    return "\n".join(_code(line) for line in lines)


def _update_table() -> str:
    w_x, w_h = updated()
    after = forward(w_x, w_h)[3]
    lines = [
        "| | |",
        "|---|---|",
        f"| norm | {norm():.4f} |",
        f"| scale = min(1, {MAX_GRAD_NORM:g} / norm) | {min(1, MAX_GRAD_NORM / norm()):.4f} |",
        f"| W_x | {_row(W_X)} -> {_row(w_x)} |",
        f"| W_h | {_square(W_H)} -> {_square(w_h)} |",
        f"| L | {forward()[3]:.4f} -> {after:.4f} |",
    ]
    return "\n".join(_code(line) for line in lines)


def _row(values) -> str:
    return "(" + ", ".join(f"{value:.4f}" for value in values) + ")"


def _square(values) -> str:
    return "(" + "; ".join(", ".join(f"{value:.4f}" for value in row) for row in values) + ")"


def _code(line: str) -> str:
    """A line of a table, with what is in its cells as code; not the line that rules."""
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if set(line) <= set("|-"):
        return line
    return "| " + " | ".join(f"`{cell}`" if cell else "" for cell in cells) + " |"


TABLES = {
    "forward": _forward_table,
    "backward": _backward_table,
    "gradient": _gradient_table,
    "update": _update_table,
}


if __name__ == "__main__":
    for each in DOCS.glob("*.md"):
        each.write_text(with_tables_of_now(each.read_text(encoding="utf-8")), encoding="utf-8")
