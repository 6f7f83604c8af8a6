"""A `diagram.View` for a terminal: rows, windows, targets, the carried state, the cut gradient."""

from __future__ import annotations

from ptb.explain.diagram import ELLIPSIS, LABEL, WIDTH, View, display_width, shorten

# Select Graphic Rendition codes of a terminal.
BOLD, RED, GREEN, YELLOW, BLUE = 1, 31, 32, 33, 34


def batch_text(sequential: View, random: View, colour: bool = False) -> str:
    """The whole explanation: the cut, the windows, the targets, and random sampling beside it."""
    paint = _painter(colour)
    windows = sequential.windows
    batch_size, num_steps = windows.batch_size, windows.num_steps
    row_len = len(windows.stream) // batch_size
    left = len(windows.stream) - batch_size * row_len
    sections = [
        paint(f"The text: {len(windows.stream):,} tokens", BOLD),
        _first_words(sequential),
        "",
        paint(f"Cut into batch_size = {_count(batch_size, 'row')} of {row_len:,} tokens", BOLD),
        f"Row b begins at token b x {row_len:,}" + (f"; {left} left over." if left else "."),
        "The rows are read side by side: each is a text of its own.",
        "",
        paint(f"A window is num_steps = {_count(num_steps, 'column')} of all rows", BOLD),
        f"There are {len(windows):,}, read from left to right. The inputs of {_names(sequential)}:",
        "",
        *_grid(sequential, paint),
        _state_line(sequential, paint),
        _gradient_line(sequential, paint),
        "",
        "The state goes on from window to window, row by row. The gradient does not:",
        "it flows back through the num_steps steps of its window and stops at |.",
        "",
        paint("Targets: the same columns, one token later", BOLD),
        "",
        *_grid(sequential, paint, targets=True),
        "",
        paint("Random sampling", BOLD),
        "Every row of every window begins somewhere else, so no state can go on:",
        f"it is zero before each. {_names(random).capitalize()}, and where their rows begin:",
        "",
        *_grid(random, paint, starts=True),
        _state_line(random, paint),
        _gradient_line(random, paint),
    ]
    return "\n".join(sections)


def unrolled_text(view: View, colour: bool = False) -> str:
    """The unrolled network over row 0 of one window: the same cell once for each step."""
    paint = _painter(colour)
    k, num_steps, width = view.first, view.windows.num_steps, max(7, view.word_width)
    inputs, targets = view.cells(k, 0), view.cells(k, 0, targets=True)

    def line(cells, label="", code=0, joint="   ", start=""):
        parts = [_centre(cell, 1 if cell == ELLIPSIS else width) for cell in cells]
        return _pad(label, LABEL) + f"{start:>7}" + paint(joint.join(parts).rstrip(), code)

    def at_each_step(mark):
        return [ELLIPSIS if cell == ELLIPSIS else mark for cell in inputs]

    length = sum(1 if cell == ELLIPSIS else width for cell in inputs) + 3 * (len(inputs) - 1)
    arrows = line(at_each_step("^"))
    before = f"{k - 1} ->" if k else "zero ->"
    state = line(at_each_step("[cell]"), "state", GREEN, joint="-->", start=before)
    return "\n".join(
        [
            paint(f"Row 0 of window {k}, unrolled over num_steps = {num_steps}", BOLD),
            "",
            line(targets, "target", YELLOW),
            arrows,
            line(at_each_step("softmax")),
            arrows,
            f"{state}{paint('->', GREEN)} {k + 1}",
            arrows,
            line(at_each_step("embed")),
            arrows,
            line(inputs, "input", BLUE),
            "",
            _pad("gradient", LABEL + 6) + paint("|<" + "-" * (length - 1), RED),
            "",
            "One cell, one embedding and one softmax, drawn once for each step: their",
            "weights are the same at every step, and the gradient of a weight is the sum over",
            "the steps. One word goes in at each step. The state comes from the window before",
            f"and goes on to window {k + 1}; the gradient stops at |.",
        ]
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def _names(view: View) -> str:
    return " and ".join(f"window {k}" for k in view.shown)


def _first_words(view: View) -> str:
    line = " "
    for token in view.windows.stream[:WIDTH]:
        word = shorten(view.words[token], 16)
        if display_width(line) + display_width(word) + 3 > WIDTH:
            break
        line += f" {word}"
    return f"{line} {ELLIPSIS}"


def _grid(view: View, paint, targets: bool = False, starts: bool = False) -> list[str]:
    """A header, and a line for each shown row, with the words of each shown window."""
    width = _window_width(view)
    names = [f"window {k}" for k in view.shown]
    header = [paint(name, BOLD) + " " * (width - len(name)) for name in names]
    lines = [_line("", header, "   ")]
    for row in view.rows:
        if row is None:
            lines.append(ELLIPSIS)
            continue
        parts = [
            paint(_join(view, view.cells(k, row, targets)), code)
            for k, code in zip(view.shown, (BLUE, YELLOW), strict=False)
        ]
        lines.append(_line(f"row {row}", parts))
        if starts:
            at = [_pad(f"at {view.start(k, row):,}", width) for k in view.shown]
            lines.append(_line("", at, "   "))
    return lines


def _line(label: str, parts: list[str], joint: str = " | ") -> str:
    """A label, and a part for each window between bars, or between blanks."""
    return (_pad(label, LABEL) + joint[1:] + joint.join(parts) + joint[:2]).rstrip()


def _join(view: View, cells: list[str]) -> str:
    return " ".join(c if c == ELLIPSIS else _pad(c, view.word_width) for c in cells)


def _window_width(view: View) -> int:
    return display_width(_join(view, view.cells(view.first, 0)))


def _state_line(view: View, paint) -> str:
    """An arrow through all windows where the state is carried, else one for each."""
    width, carries = _window_width(view), view.windows.carries_state
    parts = []
    for k in view.shown:
        start = "carried " if carries and k else "zero "
        end = "-" if carries and k != view.shown[-1] else ">"
        parts.append(start + "-" * (width - len(start) - 1) + end)
    joint = "-|-" if carries else " | "
    return _pad("state", LABEL) + paint(f"| {joint.join(parts)} |", GREEN)


def _gradient_line(view: View, paint) -> str:
    parts = ["<" + "-" * (_window_width(view) - 1) for _ in view.shown]
    return _pad("gradient", LABEL) + paint(_line("", parts)[LABEL:], RED)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


def _centre(text: str, width: int) -> str:
    space = width - display_width(text)
    return " " * (space // 2) + text + " " * (space - space // 2)


def _painter(colour: bool):
    """Wraps a text in the code of a colour; leaves it alone without colour."""

    def paint(text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text

    return paint
