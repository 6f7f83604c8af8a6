"""The texts of the drawings, in English and Chinese: `say(language, name, **values)`."""

# ruff: noqa: E501, RUF001  (a phrase is a line; Chinese has marks of its own)

from __future__ import annotations

LANGUAGES = ("en", "zh")

# Names of flags and of code stay as they are in both languages.
PHRASES = {
    "text": ("The text: {count}", "文本：{count}"),
    "token": ("1 token", "1 个词元"),
    "tokens": ("{count:,} tokens", "{count:,} 个词元"),
    "cut": (
        "Cut into batch_size = {rows} of {length:,} tokens",
        "切成 batch_size = {rows}，每行 {length:,} 个词元",
    ),
    "one row": ("1 row", "1 行"),
    "rows": ("{count:,} rows", "{count:,} 行"),
    "row starts": (
        "Row b begins at token b x {length:,}. The rows are read side by side: each is a text of its own.",
        "第 b 行从第 b x {length:,} 个词元开始。各行同时读，每一行都是单独的一段文本。",
    ),
    "window": (
        "A window is num_steps = {columns} of all rows",
        "一个窗口是所有行的 num_steps = {columns}",
    ),
    "one column": ("1 column", "1 列"),
    "columns": ("{count:,} columns", "{count:,} 列"),
    "windows": (
        "There are {count:,}, read from left to right. They predict {predicted:,} of the {targets:,} targets; "
        "{left:,} are left over in training. The inputs of {names}:",
        "共 {count:,} 个，从左往右读。它们预测 {targets:,} 个目标中的 {predicted:,} 个；训练时剩下 {left:,} 个不用。{names} 的输入：",
    ),
    "one window": (
        "There is one. It predicts {predicted:,} of the {targets:,} targets; {left:,} are left over in training. "
        "The inputs of {names}:",
        "只有一个。它预测 {targets:,} 个目标中的 {predicted:,} 个；训练时剩下 {left:,} 个不用。{names} 的输入：",
    ),
    "carried and cut": (
        "The state goes on from window to window, row by row. The gradient does not: it flows back through "
        "the num_steps steps of its window and stops at |.",
        "状态逐行从一个窗口传到下一个窗口。梯度不传过去：它往回流过本窗口的 num_steps 步，停在 | 处。",
    ),
    "targets": ("Targets: the same columns, one token later", "目标：同样的列，晚一个词元"),
    "random": ("Random sampling", "随机采样"),
    "random starts": (
        "The text is cut into pieces of num_steps tokens, from an offset that changes every epoch, and the pieces "
        "are shuffled. No row continues the one before, so the state is zero before each window. {names}, and "
        "where their rows begin:",
        "文本从每轮不同的起点开始，切成每段 num_steps 个词元，再打乱。没有哪一行接着前一个窗口，所以每个窗口之前状态都是零。"
        "{names}，以及各行开始的位置：",
    ),
    "window k": ("window {k}", "窗口 {k}"),
    "and": (" and ", " 和"),
    "row b": ("row {row}", "第 {row} 行"),
    "at": ("at {start:,}", "位置 {start:,}"),
    "state": ("state", "状态"),
    "gradient": ("gradient", "梯度"),
    "carried": ("carried", "传下来"),
    "zero": ("zero", "零"),
    "target": ("target", "目标"),
    "input": ("input", "输入"),
    "loss": ("loss", "损失"),
    "unrolled": (
        "Row 0 of window {k}, unrolled over num_steps = {steps:,}",
        "窗口 {k} 的第 0 行，展开为 num_steps = {steps:,} 步",
    ),
    "unrolled words": (
        "One cell, one embedding and one softmax, drawn once for each step: their weights are the same at "
        "every step, and the gradient of a weight is the sum over the steps. One word goes in at each step. "
        "The softmax gives a probability to each word, and the loss is -log of the target's. The state comes "
        "from {source} and {onward}; the gradient goes back along the same arrows "
        "and stops at |.",
        "单元、嵌入层和 softmax 都只有一个，每步画一次：每一步的权重相同，一个权重的梯度是对各步的求和。每一步读一个词。"
        "softmax 给每个词一个概率，损失是目标词的概率的 -log。状态来自{source}，{onward}；"
        "梯度沿同样的箭头往回走，停在 | 处。",
    ),
    "start of epoch": ("the start of the epoch, where it is zero,", "一轮的开头（那时是零）"),
    "goes on to": ("goes on to window {k}", "并传给窗口 {k}"),
    "goes no further": (
        "goes no further, because no window follows",
        "不再往下传，因为后面没有窗口",
    ),
    # In the pictures.
    "picture text": (
        "The text is one row, cut into batch_size = {rows:,}",
        "文本是一行，切成 batch_size = {rows:,} 段",
    ),
    "position": ("token", "位置"),
    "from token": ("from token {start:,}", "从第 {start:,} 个起"),
    "picture sequential": (
        "Sequential: each row goes on in the next window",
        "顺序采样：每行在下一个窗口里接着读",
    ),
    "picture targets": ("The targets: one token later", "目标：晚一个词元"),
    "picture random": ("Random: each row begins somewhere else", "随机采样：每行都从别处开始"),
    "same weights": ("The same weights at every step", "每一步的权重都相同"),
    # One step of each cell.
    "cells": ("One step of each cell, with one unit", "每种单元的一步，只有一个隐藏单元"),
    "cells words": (
        "No gate sees another gate: each is made from the same x and h, with weights of its own.",
        "门与门互不相见：每个门都由同样的 x 和 h 算出，各用自己的权重。",
    ),
    "forget gate": ("forget gate", "遗忘门"),
    "input gate": ("input gate", "输入门"),
    "output gate": ("output gate", "输出门"),
    "update gate": ("update gate", "更新门"),
    "reset gate": ("reset gate", "重置门"),
    "candidate": ("candidate", "候选值"),
    "plain RNN": ("plain RNN", "普通 RNN"),
    # Inside a trained model.
    "inside words": (
        "Surprisal of each word, and the earlier words that its prediction depends on most. t is the last word "
        "read; |gradient| is the norm of the gradient of log p(word) for the embedding of word t-k. In training "
        "no gradient came from num_steps = {num_steps} or more words back; their share is the second column.",
        "每个词的惊异度，以及对它的预测影响最大的前面的词。t 是最后读到的词；|gradient| 是 log p(词) 对词 t-k 的嵌入的"
        "梯度的范数。训练时梯度不来自 num_steps = {num_steps} 个词或更早之前；第二列是它们所占的比例。",
    ),
    "unit of layer": ("unit {unit} of layer {layer}", "第 {layer} 层的单元 {unit}"),
    "agreement words": (
        "The unit of the layer that follows each agreement of the grammar best: correlation of a part of its state, "
        "at words that do not show the agreement, on the text on which it was chosen and on held-out text.",
        "该层中跟踪语法每种一致关系最好的单元：在不显示该一致关系的词上，其状态的一部分与该关系的相关系数，"
        "分别在选出它的文本和留出的文本上。",
    ),
    "surprisal in nats": ("surprisal, nats", "惊异度（奈特）"),
    "importance": (
        "gradient of log p(row's word) for the word read; left of the line: {num_steps} or more words back",
        "log p(该行的词) 对所读词的梯度；线的左边：{num_steps} 个词或更早之前",
    ),
}


def say(language: str, name: str, **values) -> str:
    """The phrase of that name."""
    return PHRASES[name][LANGUAGES.index(language)].format(**values)
