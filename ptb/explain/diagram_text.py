"""Prints a `diagram.View`: rows, windows, targets, the carried state, the cut gradient."""

from __future__ import annotations

import re

from ptb.explain.diagram import ELLIPSIS, LABEL, View, display_width, pad, shorten

# Select Graphic Rendition codes of a terminal.
BOLD, RED, GREEN, YELLOW, BLUE, PURPLE = 1, 31, 32, 33, 34, 35
STEP = 7  # letters of "softmax"


def batch_text(sequential: View, random: View, colour: bool = False) -> str:
    """The whole explanation: the cut, the windows, the targets, and random sampling beside it."""
    paint, say = _painter(colour), sequential.say
    windows = sequential.windows
    num_tokens, batch_size = len(windows.stream), windows.batch_size
    length = num_tokens // batch_size

    def heading(name: str, **values) -> list[str]:
        return [paint(line, BOLD) for line in fill(say(name, **values), sequential.width)]

    def words(name: str, **values) -> list[str]:
        return fill(say(name, **values), sequential.width)

    sections = [
        *heading("text", count=_count(sequential, num_tokens, "token")),
        _first_words(sequential),
        "",
        *heading("cut", rows=_count(sequential, batch_size, "row"), length=length),
        *words("row starts", length=length),
        "",
        *heading("window", columns=_count(sequential, windows.num_steps, "column")),
        *words(
            "windows" if len(windows) > 1 else "one window",
            count=len(windows),
            predicted=windows.num_tokens,
            targets=num_tokens - 1,
            left=num_tokens - 1 - windows.num_tokens,
            names=_names(sequential),
        ),
        "",
        *_grid(sequential, paint),
        _state_line(sequential, paint),
        _gradient_line(sequential, paint),
        "",
        *words("carried and cut"),
        "",
        *heading("targets"),
        "",
        *_grid(sequential, paint, targets=True),
        "",
        *heading("random"),
        *words("random starts", names=_capital(_names(random))),
        "",
        *_grid(random, paint, starts=True),
        _state_line(random, paint),
        _gradient_line(random, paint),
    ]
    return "\n".join(sections)


def unrolled_text(view: View, colour: bool = False) -> str:
    """The unrolled network over row 0 of one window: the same cell once for each step."""
    paint, say, k = _painter(colour), view.say, view.first
    before = f"{k - 1} ->" if k else f"{say('zero')} ->"
    start = max(STEP, display_width(before))

    def room(columns, gap: int) -> int:
        """For the words of one step."""
        left = view.width - LABEL - start - 2 - columns.count(None) - gap * (len(columns) - 1)
        return left // (len(columns) - columns.count(None))

    columns = view.columns_where(lambda columns: room(columns, gap=2) >= STEP)
    gap = 3 if room(columns, gap=3) >= STEP else 2
    width = max(STEP, min(16, room(columns, gap)))
    shown = {"columns": columns, "width": width}
    inputs, targets = view.cells(k, 0, **shown), view.cells(k, 0, targets=True, **shown)

    def line(cells, label="", code=0, joint=" " * gap, lead=""):
        parts = [cell if cell == ELLIPSIS else _centre(cell, width) for cell in cells]
        indent = pad(label, LABEL) + " " * (start - display_width(lead)) + lead
        return indent + paint(joint.join(parts).rstrip(), code)

    def at_each_step(mark):
        return [ELLIPSIS if cell == ELLIPSIS else mark for cell in inputs]

    length = sum(1 if each is None else width for each in columns) + gap * (len(columns) - 1)
    up, down = line(at_each_step("^")), line(at_each_step("v"))
    state = line(at_each_step("[cell]"), say("state"), GREEN, "-" * (gap - 1) + ">", before)
    source = say("window k", k=k - 1) if k else say("start of epoch")
    is_last = k + 1 == len(view.windows)
    onward = say("goes no further") if is_last else say("goes on to", k=k + 1)
    title = fill(say("unrolled", k=k, steps=view.windows.num_steps), view.width)
    return "\n".join(
        [
            *(paint(each, BOLD) for each in title),
            "",
            line(targets, say("target"), YELLOW),
            down,
            line(at_each_step("loss"), say("loss"), PURPLE),
            up,
            line(at_each_step("softmax")),
            up,
            f"{state}{paint('->', GREEN)}",
            up,
            line(at_each_step("embed")),
            up,
            line(inputs, say("input"), BLUE),
            "",
            pad(say("gradient"), LABEL + start - 1) + paint("|<" + "-" * (length - 1), RED),
            "",
            *fill(say("unrolled words", source=source, onward=onward), view.width),
        ]
    )


def fill(text: str, width: int) -> list[str]:
    """The lines of a paragraph: broken at blanks, and before a Chinese character."""
    # A mark stays with what is before it, but for one that opens: no line begins with a comma.
    pieces = re.findall(r"\s*[一-鿿][^\s一-鿿\w\uff08“]*|\s*[^\s一-鿿]+", text)
    lines, line = [], ""
    for piece in pieces:
        if line and display_width(line) + display_width(piece) > width:
            lines.append(line)
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line] if line else lines


def _count(view: View, number: int, noun: str) -> str:
    if number == 1:
        return view.say(noun if noun == "token" else f"one {noun}")
    return view.say(f"{noun}s", count=number)


def _names(view: View) -> str:
    return view.say("and").join(view.say("window k", k=k) for k in view.shown)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first_words(view: View) -> str:
    line = " "
    for token in view.windows.stream[: view.width]:
        word = shorten(view.words[token], 16)
        if display_width(line) + display_width(word) + 3 > view.width:
            return f"{line} {ELLIPSIS}"
        line += f" {word}"
    return line


def _grid(view: View, paint, targets: bool = False, starts: bool = False) -> list[str]:
    """A header, and a line for each shown row, with the words of each shown window."""
    width = _window_width(view)
    names = [_fitting(view.say("window k", k=k), k, width) for k in view.shown]
    header = [paint(name, BOLD) + " " * (width - display_width(name)) for name in names]
    lines = [_line("", header, "   ")]
    for row in view.rows:
        if row is None:
            lines.append(ELLIPSIS)
            continue
        parts = [
            paint(_join(view, view.cells(k, row, targets)), YELLOW if targets else BLUE)
            for k in view.shown
        ]
        lines.append(_line(view.say("row b", row=row), parts))
        if starts:
            begins = [view.start(k, row) for k in view.shown]
            at = [_fitting(view.say("at", start=start), start, width) for start in begins]
            lines.append(_line("", [pad(each, width) for each in at], "   "))
    return lines


def _line(label: str, parts: list[str], joint: str = " | ") -> str:
    """A label, and a part for each window between bars, or between blanks."""
    return (pad(label, LABEL) + joint[1:] + joint.join(parts) + joint[:2]).rstrip()


def _join(view: View, cells: list[str]) -> str:
    return " ".join(c if c == ELLIPSIS else pad(c, view.word_width) for c in cells)


def _window_width(view: View) -> int:
    return display_width(_join(view, view.cells(view.first, 0)))


def _state_line(view: View, paint) -> str:
    """An arrow through all windows where the state is carried, else one for each."""
    width, carries = _window_width(view), view.windows.carries_state
    parts = []
    for k in view.shown:
        start = f"{view.say('carried' if carries and k else 'zero')} "
        end = "-" if carries and k != view.shown[-1] else ">"
        parts.append(start + "-" * (width - display_width(start) - 1) + end)
    joint = "-|-" if carries else " | "
    return pad(view.say("state"), LABEL) + paint(f"| {joint.join(parts)} |", GREEN)


def _gradient_line(view: View, paint) -> str:
    parts = ["<" + "-" * (_window_width(view) - 1) for _ in view.shown]
    return pad(view.say("gradient"), LABEL) + paint(_line("", parts)[LABEL:], RED)


def _fitting(label: str, number: int, width: int) -> str:
    """A label in at most `width` columns; the number in it alone where it is longer."""
    forms = (label, f"{number:,}", f"{number}")
    return next((form for form in forms if display_width(form) <= width), forms[-1])


def _centre(text: str, width: int) -> str:
    space = width - display_width(text)
    return " " * (space // 2) + text + " " * (space - space // 2)


def _painter(colour: bool):
    """Wraps a text in the code of a colour; leaves it alone without colour."""

    def paint(text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text

    return paint
