"""Verdicts in Chinese, `chinese(text)`, and labels of figures, `label(text)`, from the English ones.

A verdict is written once, in English, by its study. Here each of its sentences stands beside its
Chinese one, as in a catalogue of gettext: what is in braces is found in the English sentence and put
into the other. A sentence that is not here stays English; a test finds those of the recorded verdicts.

    {n}  a number, with its interval: 2.293 (2.288 to 2.299)
    {w}  words, which are translated by themselves
"""

# ruff: noqa: E501, RUF001  (a sentence is a line; Chinese has marks of its own)

from __future__ import annotations

import functools
import re

NUMBER = r"(?:≥ )?[-+]?(?:\d[\d.,]*(?:e[+-]\d+)?%?|\b(?:inf|nan)\b%?)(?: \([^()]*\))?(?<![.,])"
WORDS = r"(?:[^.\n*|]|\.(?=\d))+?"

SENTENCES = {
    # What all studies say.
    "A first look: {n1} seeds, and a verdict needs {n2}.": "初步结果：{n1} 个种子，而结论需要 {n2} 个。",
    "A first look: {n1} seed, and a verdict needs {n2}.": "初步结果：{n1} 个种子，而结论需要 {n2} 个。",
    "Brackets, and shading or error bars in figures: 95% intervals of the mean (Student's t), over {n} seeds.": "括号里，以及图中的阴影或误差线，是平均值的 95% 置信区间（t 分布），{n} 个种子。",
    "Brackets, and shading or error bars in figures: 95% intervals of the mean (Student's t), and of the median for the noise (ranks), over {n} seeds.": "括号里，以及图中的阴影或误差线，是平均值的 95% 置信区间（t 分布），噪声是中位数的（按秩），{n} 个种子。",
    "Brackets, and shading or error bars in figures: 95% intervals of the share of seeds (Wilson), over {n} seeds.": "括号里，以及图中的误差线，是种子所占比例的 95% 置信区间（Wilson），{n} 个种子。",
    "Not counted: {w}. At least one seed diverged there, or is not better than the words' frequencies.": "没有计入：{w}。那里有的种子发散了，或者不比只知道词频好。",
    "Each setting has the learning rate with the lowest mean valid loss, chosen on separate seeds. The grids spanned {n1} to {n2}.": "每种设置都用平均验证损失最低的学习率，用专门留出的种子来选。网格从 {n1} 到 {n2}。",
    "An interval is over the seeds at that rate. It does not say how much the choice of the rate adds.": "置信区间是在选定的学习率下、对各种子而言的，不包括选学习率带来的不确定。",
    "No chosen rate is at the edge of its grid.": "没有一个在网格的边上。",
    "At the edge of the grid, so a better rate may exist: {w}.": "在网格的边上，因而可能有更好的学习率：{w}。",
    "A model that knows only the words' frequencies has {n} nats a word.": "只知道词频时，每词的损失是 {n} 奈特。",
    "A model that knows only the words' frequencies has {n}.": "只知道词频时是 {n}。",
    "A model that knows only the words' frequencies has a perplexity of {n}.": "只知道词频时，困惑度是 {n}。",
    "Measured with one layer of {n} units. Other sizes may give other answers.": "用一层 {n} 个单元测量。换一种大小，答案可能不同。",
    # batch_size
    "Is a larger batch only faster, with about the same loss?": "批大一点只是更快，损失差不多吗？",
    "After the same words (about {n1}). Losses within {n2} nats a word count as about the same:": "读同样多的词之后（约 {n1} 个）。每词相差不到 {n2} 奈特，算损失差不多：",
    "After the same updates (about {n1}). Losses within {n2} nats a word count as about the same:": "更新同样多次之后（约 {n1} 次）。每词相差不到 {n2} 奈特，算损失差不多：",
    "**After the {w1}, batch_size {w2} have the lowest loss (which of them is not clear)**: {n1} nats a word with {n2}": "**{w1}，batch_size 为 {w2} 的损失最低，分不清哪个更低**：{n2} 时每词 {n1} 奈特",
    "**After the {w1}, batch_size {w2} has the lowest loss**: {n1} nats a word with {n2}": "**{w1}，batch_size 为 {w2} 的损失最低**：{n2} 时每词 {n1} 奈特",
    "**After the {w}, batch {n1} and batch {n2} have about the same loss**": "**{w}，批为 {n1} 和批为 {n2} 的损失差不多**",
    "**After the {w}, the losses of batch {n1} and batch {n2} do not clearly differ**": "**{w}，批为 {n1} 和批为 {n2} 的损失分不清高下**",
    "**After the {w}, batch {n1} has a higher loss than batch {n2}**": "**{w}，批为 {n1} 的损失比批为 {n2} 的高**",
    "**After the {w}, batch {n1} has a slightly higher loss than batch {n2}**": "**{w}，批为 {n1} 的损失比批为 {n2} 的略高**",
    "**After the {w}, batch {n1} has a slightly lower loss than batch {n2}**": "**{w}，批为 {n1} 的损失比批为 {n2} 的略低**",
    "**After the {w}, batch {n1} has a lower loss than batch {n2}**": "**{w}，批为 {n1} 的损失比批为 {n2} 的低**",
    ": a difference of {n1} nats a word, {n2} times the perplexity": "：每词相差 {n1} 奈特，困惑度是 {n2} 倍",
    "**After the {w}, the generalization gap is larger with batch {n1} than with batch {n2}**": "**{w}，批为 {n1} 的泛化差距比批为 {n2} 的大**",
    "**After the {w}, the generalization gap is smaller with batch {n1} than with batch {n2}**": "**{w}，批为 {n1} 的泛化差距比批为 {n2} 的小**",
    "**After the {w}, the generalization gap does not clearly differ between batch {n1} and batch {n2}**": "**{w}，批为 {n1} 和批为 {n2} 的泛化差距没有明显不同**",
    ": valid minus train loss is {n1} nats a word with batch {n2}, and {n3} with {n4}": "：验证损失减训练损失，批为 {n2} 时每词 {n1} 奈特，批为 {n4} 时 {n3}",
    "The gap also depends on how much a model has read and learned.": "这个差距还取决于模型读了多少、学了多少。",
    "**The gradient's noise is larger than its signal up to batch {n}**": "**批不超过 {n} 时，梯度的噪声大于信号**",
    "**The gradient's noise is not clearly larger than its signal at any batch**": "**无论批多大，梯度的噪声都不明显大于信号**",
    "For most seeds, no signal is found beside the noise.": "对多数种子，噪声之中找不到信号。",
    "Noise over signal (median of the seeds), at the weights of batch 20 after the same words, is {w}. The two are equal at a batch of {n1} rows (simple noise scale). These weights were trained with a learning rate of {n2}. With another rate the noise may differ.": "在批为 20、读同样多的词之后的权重上，噪声与信号之比（各种子的中位数）：{w}。批有 {n1} 行时两者相等（simple noise scale）。这些权重是用学习率 {n2} 训练的，换一个学习率，噪声可能不同。",
    "This study does not compare speed: {w} measures it.": "这里不比较速度：用 {w} 测量。",
    "All batch sizes have the same max_grad_norm, which was not tuned. The share of clipped windows differs (see the table), so a part of the differences may come from the clip.": "各种批大小的 max_grad_norm 相同，没有调过。被裁剪的窗口所占的比例各不相同（见表），所以差别可能有一部分来自裁剪。",
    # num_steps
    "After epoch {n}:": "第 {n} 轮之后：",
    "How many time steps are enough?": "多少个时间步就够？",
    "After the same words (about {n}), each num_steps at its best learning rate:": "读同样多的词（约 {n} 个），每种 num_steps 用各自最好的学习率：",
    "**After epoch {n}, with the state {w}, nothing was learned**": "**第 {n} 轮之后，状态{w}时，什么也没有学到**",
    "**After epoch {n2}, with the state {w}, num_steps {n} is enough**": "**第 {n2} 轮之后，状态{w}时，num_steps 为 {n} 就够**",
    "**After epoch {n2}, with the state {w}, nothing below num_steps {n} is enough**": "**第 {n2} 轮之后，状态{w}时，num_steps 小于 {n} 都不够**",
    "**After epoch {n2}, with the state {w1}, num_steps {n} is enough; whether {w2} would be enough is not clear**": "**第 {n2} 轮之后，状态{w1}时，num_steps 为 {n} 就够，{w2} 够不够并不清楚**",
    "**After epoch {n2}, with the state {w1}, nothing below num_steps {n} is enough; whether {w2} would be enough is not clear**": "**第 {n2} 轮之后，状态{w1}时，num_steps 小于 {n} 都不够，{w2} 够不够并不清楚**",
    "**After epoch {n2}, with the state {w}, only num_steps {n} learned**": "**第 {n2} 轮之后，状态{w}时，只有 num_steps 为 {n} 学会了**",
    "Its perplexity of {n2} is within {n1} of the lowest. The lowest is {n3} at num_steps {n4}.": "这时的困惑度是 {n2}，与最低的相差不到 {n1}。最低的是 {n3}，在 num_steps 为 {n4} 时。",
    "Its perplexity of {n2} is within {n1} of the lowest. The lowest is {n3} at num_steps {n4}, not clearly below {w}.": "这时的困惑度是 {n2}，与最低的相差不到 {n1}。最低的是 {n3}，在 num_steps 为 {n4} 时，并不明显低于 {w}。",
    "Not clear: num_steps {w}.": "不清楚：num_steps 为 {w} 时。",
    "That is the longest that was tried: a longer one may be better.": "那是试过的最长的，再长可能更好。",
    "max_grad_norm is {n1} for each step of the window, and was not tuned. After epoch {n2} it clips {n3} of the windows at num_steps {n4}, and {n5} at {n6}, with the state carried. So a part of the differences may come from the clip.": "max_grad_norm 是窗口里每一步 {n1}，没有调过。第 {n2} 轮之后、传递状态时，num_steps 为 {n4} 时它裁剪了 {n3} 的窗口，为 {n6} 时 {n5}。所以差别可能有一部分来自裁剪。",
    "From the same words, a longer window makes fewer updates. After epoch {n} they are {n1} at num_steps {n2}, and {n3} at {n4}. With more words, the longest may do better.": "读同样多的词，窗口越长更新越少：第 {n} 轮之后，num_steps 为 {n2} 时是 {n1} 次，为 {n4} 时是 {n3} 次。词更多时，最长的可能会更好。",
    "**With longer windows, the gradient of the {w} grows faster than its number of terms**": "**窗口变长，{w} 的梯度比它的项数增长得快**",
    "**With longer windows, the gradient of the {w} grows no faster than its number of terms**": "**窗口变长，{w} 的梯度不比它的项数增长得快**",
    "**With longer windows, the gradient of the {w} does not clearly grow faster than its number of terms**": "**窗口变长，{w} 的梯度是否比它的项数增长得快并不清楚**",
    "The loss of each step depends on the weights through all steps of the window before it. So the gradient of {n1} steps is a sum of {n2} terms, and that of {n3} steps of {n4}: {n5} times as many. If the norm grows more than that, the terms themselves grow, or cancel less: a sign that the gradient explodes. If it grows less, the terms may still grow and cancel. A finding needs both: the mean growth clearly on one side, and most seeds too.": "每一步的损失都通过窗口里它之前的所有步依赖于权重。所以 {n1} 步的梯度是 {n2} 项之和，{n3} 步的是 {n4} 项，前者的项数是后者的 {n5} 倍。范数增长得比这还多，就说明各项本身变大了，或者抵消得少了：这是梯度爆炸的迹象。增长得少一些时，各项仍可能在增长而互相抵消。下结论要两者兼备：平均增长明显在一边，多数种子也是。",
    "Norm of a window's gradient before clipping, by the number of steps (median over the seeds). Growth is the norm at {n1} steps over the norm at {n2} steps (geometric mean). The last column has the seeds with a growth of more than {n3}:": "裁剪之前一个窗口的梯度范数（各种子的中位数），按窗口的步数。增长：{n1} 步时的范数是 {n2} 步时的多少倍（几何平均）。最后一列：增长超过 {n3} 倍的种子：",
    "The trained networks were trained with num_steps {n}.": "训练过的网络是用 num_steps {n} 训练的。",
    "{n1} of {n2}": "{n2} 个中 {n1} 个",
    # sampling
    "Sequential or random sampling: what is carrying the state worth?": "顺序采样还是随机采样：传递状态有什么好处？",
    "At num_steps {n1}, after the same {n2} words. Slightly means not clearly by more than {n3} nats a word:": "num_steps 为 {n1}，读同样的 {n2} 个词之后（略微：不明显超过每词 {n3} 奈特）：",
    "**At num_steps {n}, carrying the state {w}**, compared with zeroing it in training and in scoring: {n1} nats a word": "**num_steps 为 {n} 时，传递状态{w}**，与训练和评分时都清零相比：每词 {n1} 奈特",
    "**At num_steps {n}, with the state zeroed, training on random windows {w}**, compared with training on sequential ones: {n1} nats a word": "**num_steps 为 {n}、状态清零时，用随机窗口训练{w}**，与用顺序的窗口相比：每词 {n1} 奈特",
    "**At num_steps {n}, with the state zeroed, training on shuffled windows {w}**, compared with training on sequential ones: {n1} nats a word": "**num_steps 为 {n}、状态清零时，用打乱的窗口训练{w}**，与用顺序的窗口相比：每词 {n1} 奈特",
    "**At num_steps {n}, with the state carried in scoring, training with the state zeroed {w}**, compared with training with the carried state: {n1} nats a word": "**num_steps 为 {n} 时，如果评分时传递状态，训练时清零{w}**，与训练时传递状态相比：每词 {n1} 奈特",
    "**At num_steps {n}, with the state zeroed in scoring, training with the carried state {w}**, compared with training with it zeroed: {n1} nats a word": "**num_steps 为 {n} 时，如果评分时清零，训练时传递状态{w}**，与训练时清零相比：每词 {n1} 奈特",
    "Shuffled windows are random windows with the same borders in each epoch. The borders of random windows move from epoch to epoch.": "打乱的窗口是每一轮边界都相同的随机窗口；随机窗口的边界每一轮都在移动。",
    "**At num_steps {n}, with the state carried in scoring, training on random windows {w}**, compared with training with the carried state: {n1} nats a word": "**num_steps 为 {n} 时，如果评分时传递状态，用随机窗口训练{w}**，与训练时传递状态相比：每词 {n1} 奈特",
    "valid perplexity at num_steps {n}": "num_steps 为 {n} 时的验证困惑度",
    "The computed floor is {n1} with full memory. With the state zeroed at each window it is {n2}.": "算出来的下限：有全部记忆时是 {n1}，每个窗口清零时是 {n2}。",
    # what was checked again
    "Checked again": "重新检查",
    "A verdict holds if no finding is contradicted. A finding without a counterpart, or one that differs in degree or certainty only, does not count against it. It is not confirmed if most findings have no counterpart, or if there were too few other seeds.": "没有一个结论与之矛盾，就算成立；没有对应的结论，或者只在程度或把握上不同的，不算反对。多数结论没有对应的，或者换用的种子太少，则没有得到证实。",
    "[The verdict holds]": "[结论成立]",
    "[The verdict does not hold]": "[结论不成立]",
    "The verdict holds": "结论成立",
    "The verdict does not hold": "结论不成立",
    "[The verdict is not confirmed]": "[结论没有得到证实]",
    "The verdict is not confirmed": "结论没有得到证实",
    " with seeds {n1} to {n2}: {n3} of {n4} findings are the same": "，种子 {n1} 到 {n2}：{n4} 个结论中有 {n3} 个相同",
    ", {n} without a counterpart": "，{n} 个没有对应",
    ", {n} different in degree or certainty": "，{n} 个只在程度或把握上不同",
    ", {n} contradicted": "，{n} 个相矛盾",
    # detach
    "What happens when the graph is not cut at window ends?": "如果计算图不在窗口末尾切断，会怎样？",
    "**Memory grows with every window that is kept**": "**每留一个窗口，内存都会增长**",
    "**Memory grows, but not clearly with every window that is kept**": "**内存会增长，但并非每留一个窗口都明显增长**",
    "**Memory stays about the same**": "**内存大致不变**",
    "**It is not clear whether memory grows**": "**内存是否增长并不清楚**",
    ": {n2} windows take {n1} MB more than one, about {n3} MB a window. A difference of up to {n4} MB counts as about the same.": "：留 {n2} 个窗口时，比只留一个多 {n1} MB，每个窗口约 {n3} MB。相差不超过 {n4} MB 算大致不变。",
    "**The time of a window grows with every window that is kept**": "**一个窗口的时间越来越长**",
    "**The time of a window grows, but not clearly with every window that is kept**": "**一个窗口的时间会变长，但并非每留一个窗口都明显变长**",
    "**The time of a window stays about the same**": "**一个窗口的时间几乎不变**",
    "**It is not clear whether the time of a window grows**": "**一个窗口的时间是否变长并不清楚**",
    ": {n1} ms if the graph is cut after every window. If it is cut after {n2} windows, it holds 1 to {n3} of them, {n4} on average, and a window takes {n5} ms on average. That is {n6} times as long. Over the last settings, the time grows as the windows held to the power {n7} (1 is linear). A time of up to {n8} times as long counts as about the same.": "：每个窗口之后都切断时 {n1} 毫秒。每 {n2} 个窗口才切断一次时，计算图里有 1 到 {n3} 个窗口，平均 {n4} 个，一个窗口平均 {n5} 毫秒，是 {n6} 倍；在最后几种设置上，随这个数目的 {n7} 次方增长（1 是线性）。不超过 {n8} 倍算大致不变。",
    "If the graph is never cut, both grow until memory runs out.": "从不切断的话，两者一直增长，直到内存用完。",
    "Memory and time did not both clearly grow in this measurement.": "这次测量中，内存和时间没有都明显增长。",
    "Measured with {n1} x 200 LSTM, batch_size 20, num_steps {n2}.": "用 {n1} x 200 LSTM 测量，batch_size 20，num_steps {n2}。",
    # gradient_flow
    "How far back does a gradient reach, in a plain RNN, a GRU and an LSTM?": "在普通 RNN、GRU 和 LSTM 里，梯度能往回走多远？",
    "**The plain RNN did not learn, so nothing is compared with it.**": "**普通 RNN 没有学会，所以不与它比较。**",
    "After training on the same words, each network at its best learning rate. The norm at k steps back is divided by that at k = 1, the state that the last step receives. A gradient reaches as far back as a share of that is left: {w}. A finding holds for each of these shares, except those that it names.": "用同样的词训练之后，每种网络用各自最好的学习率。往回 k 步的范数除以 k = 1 时的，即最后一步收到的状态。还剩一定份额的地方，就是梯度所到之处：{w}。结论对每一种份额都成立，它指明的除外。",
    "Far back is from step {n1} to {n2}.": "远处指第 {n1} 步到第 {n2} 步。",
    "**The gradient of the {w} reaches farther back than the plain RNN's**": "**{w} 的梯度比普通 RNN 的走得更远**",
    "**The gradient of the {w} reaches less far back than the plain RNN's**": "**{w} 的梯度不如普通 RNN 的走得远**",
    "**The gradient of the {w1} reaches farther back than the plain RNN's, but not clearly if the share is {w2}**": "**{w1} 的梯度比普通 RNN 的走得更远，但份额为 {w2} 时不明显**",
    "**The gradient of the {w1} reaches less far back than the plain RNN's, but not clearly if the share is {w2}**": "**{w1} 的梯度不如普通 RNN 的走得远，但份额为 {w2} 时不明显**",
    "**Whether the gradient of the {w1} or of the plain RNN reaches farther depends on how much must be left, but not clearly if the share is {w2}**": "**{w1} 和普通 RNN 的梯度哪个走得更远，取决于要剩下多少，但份额为 {w2} 时不明显**",
    "**Whether the gradient of the {w} or of the plain RNN reaches farther depends on how much must be left**": "**{w} 和普通 RNN 的梯度哪个走得更远，取决于要剩下多少**",
    "**It is not clear whether the gradient of the {w} or of the plain RNN reaches farther**": "**{w} 和普通 RNN 的梯度哪个走得更远并不清楚**",
    "steps back, until less is left than": "往回多少步之后，剩下不到",
    ": {n1} steps until less than {n2} is left, the RNN {n3}": "：{n1} 步之后剩下不到 {n2}，普通 RNN {n3} 步",
    "**Far back, the gradient of the {w} falls more slowly than the plain RNN's**": "**在远处，{w} 的梯度比普通 RNN 的下降得慢**",
    "**Far back, the gradient of the {w} falls faster than the plain RNN's**": "**在远处，{w} 的梯度比普通 RNN 的下降得快**",
    "**Far back, it is not clear whether the gradient of the {w} or of the plain RNN falls faster**": "**在远处，{w} 和普通 RNN 的梯度哪个下降得快并不清楚**",
    ": one step back multiplies it by {n1}, the RNN's by {n2}": "：每往回一步乘以 {n1}，普通 RNN 的乘以 {n2}",
    "**{n} steps back, the gradient of every trained network has {w}.**": "**往回 {n} 步，所有训练后的网络的梯度都{w}。**",
    "**{n} steps back, the gradient of every trained network has {w1}, but not clearly for the {w2}.**": "**往回 {n} 步，所有训练后的网络的梯度都{w1}，但 {w2} 的不明显。**",
    "**{n} steps back, the gradients of the trained networks differ: {w}.**": "**往回 {n} 步，训练后的网络的梯度各不相同：{w}。**",
    "**With a forget bias of 1, the trained LSTM's gradient reaches farther than with 0.**": "**训练后的 LSTM，遗忘偏置为 1 时梯度比为 0 时走得更远。**",
    "**With a forget bias of 1, the trained LSTM's gradient reaches less far than with 0.**": "**训练后的 LSTM，遗忘偏置为 1 时梯度不如为 0 时走得远。**",
    "**With a forget bias of 1, the trained LSTM's gradient reaches farther than with 0, but not clearly if the share is {w}.**": "**训练后的 LSTM，遗忘偏置为 1 时梯度比为 0 时走得更远，但份额为 {w} 时不明显。**",
    "**With a forget bias of 1, the trained LSTM's gradient reaches less far than with 0, but not clearly if the share is {w}.**": "**训练后的 LSTM，遗忘偏置为 1 时梯度不如为 0 时走得远，但份额为 {w} 时不明显。**",
    "**{n} steps back, it is not clear what became of the trained networks' gradients.**": "**往回 {n} 步，训练后的网络的梯度怎样了并不清楚。**",
    "**It is not clear whether a forget bias of 1 helps the trained LSTM's gradient.**": "**遗忘偏置为 1 对训练后的 LSTM 的梯度有没有帮助，并不清楚。**",
    "**Before training, the {w1} reaches farthest** (init_scale): {w2}.": "**训练之前，{w1} 走得最远**（init_scale）：{w2}。",
    "**Before training, the {w1} reaches farthest, but not clearly at every scale** (init_scale): {w2}.": "**训练之前，{w1} 走得最远，但并非在每种大小下都明显**（init_scale）：{w2}。",
    "**Before training, it is not clear which network reaches farthest** (init_scale): {w}.": "**训练之前，哪种网络走得最远并不清楚**（init_scale）：{w}。",
    "**Before training, which network reaches farthest depends on the weights' scale** (init_scale): {w}.": "**训练之前，哪种网络走得最远取决于权重的大小**（init_scale）：{w}。",
    "Vanished: less than {n1} of the norm is left. Exploded: the norm is more than {n2} times as large. A network is clear if that holds for clearly more than half of its seeds.": "消失：范数剩下不到 {n1}。爆炸：范数超过原来的 {n2} 倍。明显超过一半的种子都如此，才算清楚。",
    "How many steps back the gradient reaches, until less than {n1} is left. A seed that reaches farther than {n} counts as that many, and the mean is marked with ≥. Radius: the spectral radius of the recurrent matrix. In GRU and LSTM it is the candidate's matrix.": "梯度往回能走多少步，直到剩下不到 {n1}。走得更远的种子按 {n} 步算，这样的平均值标有 ≥。谱半径：循环矩阵的谱半径，在 GRU 和 LSTM 里是候选值的。",
    "factor of one step, k = {n1} to {n2}": "一步的因子，k = {n1} 到 {n2}",
    "The gate is the LSTM's forget gate, the GRU's update gate, and the slope 1 - h² of the RNN's tanh.": "门是 LSTM 的遗忘门、GRU 的更新门，以及普通 RNN 的 tanh 的斜率 1 - h²。",
    "init_scale {n1}, after epoch {n2}": "init_scale {n1}，第 {n2} 轮之后",
    "{n1}, radius {n2}": "{n1}，谱半径 {n2}",
    # memory
    "After how many steps does each cell forget?": "每种单元过多少步就忘了？",
    "Trained with {w}:": "用 {w} 训练：",
    "**With {w1}, the {w2} remembers longer than the {w3} after {n} updates**. They first differ at {n1} words: {n2} of the seeds remember with the {w4}, {n3} with the RNN.": "**用 {w1} 更新 {n} 次之后，{w2} 比 {w3} 记得更久**。间隔 {n1} 个词时开始分出高下：{w4} 有 {n2} 的种子记得住，RNN 有 {n3}。",
    "**With {w1}, it is not clear whether the {w2} or the RNN remembers longer after {n} updates**. Their intervals overlap at every delay up to {n1} words.": "**用 {w1} 更新 {n} 次之后，{w2} 和 RNN 哪个记得更久并不清楚**。间隔不超过 {n1} 个词时，两者的置信区间始终重叠。",
    "**With {w1}, it is not clear whether the {w2} or the RNN remembers longer after {n} updates**. Each is clearly ahead at some delay.": "**用 {w1} 更新 {n} 次之后，{w2} 和 RNN 哪个记得更久并不清楚**。两者各在某个间隔上明显领先。",
    "How many seeds remember, by delay in words. To remember means to be right at least {n2} of the time. Guessing is right {n1} of the time:": "每种间隔（词数）下有多少种子记得住。答对的比例不低于 {n2} 算记得住；随便猜，答对的比例是 {n1}：",
    "{n} or more": "{n} 或以上",
    "Longest: the last delay before the lower end of the interval falls to one half. The findings above compare the shares at each delay instead. A dash: not tried, because no seed remembers a shorter delay.": "最长：置信区间的下端降到一半之前的最后一个间隔；上面的结论比较的则是每个间隔的比例。横线：没有试，因为更短的间隔也没有种子记得住。",
    "More training changes the result: between {n1} and {n2} updates, the longest delay grew for {w}.": "再多训练会改变结果：从 {n1} 次更新到 {n2} 次，最长的间隔变长的有 {w}。",
    "The longest delays were the same after {n1} updates as after {n2}.": "更新 {n1} 次和 {n2} 次之后，最长的间隔相同。",
    "The study measures what this much training teaches, not what a network could hold.": "测的是这么多训练能教会什么，而不是网络能装下多少。",
    "The learning rate is tuned for each network, delay and optimizer on separate seeds. The grids spanned {w}.": "对每种网络、间隔和优化器，用另外的种子选学习率。网格：{w}。",
    "{n1} to {n2} with {w}": "用 {w} 时从 {n1} 到 {n2}",
    "With {w}, only delays up to {n} were tried.": "用 {w} 时只试了不超过 {n} 的间隔。",
    "With {w}:": "用 {w}：",
    "**With at least one optimizer, it is not clear whether the {w} or the RNN remembers longer after {n} updates**": "**更新 {n} 次之后，至少用一种优化器时，{w} 和 RNN 哪个记得更久并不清楚**",
    "**The optimizer decides whether the {w} or the RNN remembers longer after {n} updates**": "**更新 {n} 次之后，{w} 和 RNN 哪个记得更久，取决于优化器**",
    "**With every optimizer, the {w} remembers longer than the RNN after {n} updates**": "**用每种优化器更新 {n} 次之后，{w} 都比 RNN 记得更久**",
    "**With every optimizer, the RNN remembers longer than the {w} after {n} updates**": "**用每种优化器更新 {n} 次之后，RNN 都比 {w} 记得更久**",
    "No network that forgot had its best rate at the edge of its grid.": "忘了的网络里，没有一个的最好学习率在网格的边上。",
    "The best rate of the next shorter delay was not tried, and may be better, for {w}.": "下列情况没有试过短一级间隔的最好学习率，而它可能更好：{w}。",
    "A better rate may exist beyond the grid's edge for {w}.": "下列情况在网格之外可能有更好的学习率：{w}。",
    "Measured with {n1} units and batches of {n2} sequences. The gradient is clipped at a norm of {n3}. The biases of the GRU's gates start at {n4}, as in TensorFlow 1, and all other biases at {n5}.": "用 {n1} 个单元、每批 {n2} 个序列测量；梯度范数裁剪到 {n3}。GRU 的门的偏置从 {n4} 开始，同 TensorFlow 1，其他偏置都从 {n5} 开始。",
    "Trained with {w}": "用 {w} 训练",
    # hidden_size
    "Do larger hidden sizes train faster or slower?": "隐藏层越大，训练越快还是越慢？",
    "**After the same {n} updates (and words), {w} units have the lowest loss**": "**同样更新 {n} 次（读的词也同样多），{w} 个单元的损失最低**",
    "**After the same {n} updates (and words), {w} units have the lowest loss (which of them is not clear)**": "**同样更新 {n} 次（读的词也同样多），{w} 个单元的损失最低，分不清哪个更低**",
    "**After the same {n} updates (and words), {n1} units have a lower loss than {n2} units**": "**同样更新 {n} 次（读的词也同样多），{n1} 个单元的损失比 {n2} 个的低**",
    "**After the same {n} updates (and words), {n1} units have a higher loss than {n2} units**": "**同样更新 {n} 次（读的词也同样多），{n1} 个单元的损失比 {n2} 个的高**",
    "**After the same {n} updates (and words), the losses of {n1} units and {n2} units do not clearly differ**": "**同样更新 {n} 次（读的词也同样多），{n1} 个和 {n2} 个单元的损失分不清高下**",
    ": {n1} nats a word with {n2}, and {n3} with {n4}": "：{n2} 个单元每词 {n1} 奈特，{n4} 个 {n3}",
    ": {n1} nats a word with {n2};": "：{n2} 个单元每词 {n1} 奈特；",
    "**After the same number of multiplications, no larger size has a clearly lower loss than the next smaller one**": "**乘法次数相同时，没有哪种较大的大小比小一级的损失明显更低**",
    "**After the same number of multiplications, no larger size has a clearly higher loss than the next smaller one**": "**乘法次数相同时，没有哪种较大的大小比小一级的损失明显更高**",
    "**After the same number of multiplications, no size is clearly ahead**": "**乘法次数相同时，没有哪种大小明显领先**",
    "**After the same number of multiplications, the loss of the larger of two sizes is ({w})**": "**乘法次数相同时，两种大小中较大的损失：（{w}）**",
    "Nats a word: {w}. The count includes the LSTM and the softmax, forward and backward. Each size has the learning rate that is best after that many.": "每词的奈特数：{w}。算的是 LSTM 和 softmax 的乘法，包括前向和反向。每种大小都用做这么多次乘法之后最好的学习率。",
    "{n1} billion: {n2} with {n3} units, {n4} with {n5}": "{n1} 十亿次：{n3} 个单元 {n2}，{n5} 个 {n4}",
    "The share of clipped windows is from the last tenth of training.": "被裁剪的窗口的比例是训练最后十分之一里的。",
    "This study does not compare seconds: {w} measures speed.": "这里不比较秒数：用 {w} 测量速度。",
    "Loss after the same {n} updates": "更新同样的 {n} 次之后的损失",
    "{n} units": "{n} 个单元",
    # unroll
    "Static unroll, loop, or fused: what does each cost?": "静态展开、循环、融合：各有什么代价？",
    "**The graph grows with num_steps for {w1} and stays about the same for {w2}**": "**{w1} 的计算图随 num_steps 增长，{w2} 的大致不变**",
    "**The graph grows with num_steps for {w}**": "**{w} 的计算图随 num_steps 增长**",
    "**The graph stays about the same for {w}**": "**{w} 的计算图大致不变**",
    "From num_steps {n1} to {n2} is a factor of {n3}. The number of operations grows by these factors: {w}. A factor of up to {n4} counts as about the same.": "num_steps 从 {n1} 到 {n2}，变成 {n3} 倍，运算数分别变成这么多倍：{w}。不超过 {n4} 倍算大致不变。",
    "**At num_steps {n}, {w} is fastest**": "**num_steps 为 {n} 时最快的是 {w}**",
    "**At num_steps {n}, {w} are fastest (which of them is not clear)**": "**num_steps 为 {n} 时最快的是 {w}，分不清哪个**",
    ": {w} is {n1} times {w1} and {n2} times {w2}.": "：{w} 是 {w1} 的 {n1} 倍、{w2} 的 {n2} 倍。",
    "At num_steps {n1}, fused takes longer to trace than loop. Its speed makes up for that after about {n2} words of training.": "num_steps 为 {n1} 时，fused 比 loop 追踪得久，训练约 {n2} 个词之后就补回来了。",
    "at num_steps {n}": "num_steps 为 {n} 时",
    "Measured on one layer of 200 LSTM units, batch_size 20.": "用一层 200 个 LSTM 单元、batch_size 20 测量。",
    # truncation
    "How wrong is the truncated gradient?": "截断的梯度误差有多大？",
    "**At num_steps {n}, truncation hardly changes the direction of the recurrent weights' gradient after training**": "**训练之后，num_steps 为 {n} 时，截断几乎不改变循环权重的梯度方向**",
    "**At num_steps {n}, truncation noticeably changes the direction of the recurrent weights' gradient after training**": "**训练之后，num_steps 为 {n} 时，截断明显改变循环权重的梯度方向**",
    "**At num_steps {n}, truncation does not clearly change the direction of the recurrent weights' gradient after training**": "**训练之后，num_steps 为 {n} 时，截断是否明显改变循环权重的梯度方向并不清楚**",
    "Its cosine with the full gradient is {n1}, and its length is {n2} of the full length. (Hardly: a cosine of at least {n3}. Noticeably: a lower one.) The cosine is {w}. The full gradient flows back through {n4} steps.": "它与完整梯度的余弦是 {n1}，长度是完整的 {n2}。（几乎不改变：余弦至少 {n3}；明显改变：余弦更低。）其他各组权重的余弦：{w}。完整的梯度流过 {n4} 步。",
    "**After epoch {n1}, num_steps {n2} is enough for the recurrent weights**": "**第 {n1} 轮之后，对循环权重来说 num_steps 为 {n2} 就够了**",
    "**After epoch {n1}, num_steps {n2} is not enough for the recurrent weights**": "**第 {n1} 轮之后，对循环权重来说 num_steps 为 {n2} 还不够**",
    "**After epoch {n1}, it is not clear whether num_steps {n2} is enough for the recurrent weights**": "**第 {n1} 轮之后，对循环权重来说 num_steps 为 {n2} 是否足够并不清楚**",
    "**Before training, num_steps {n2} is enough for the recurrent weights**": "**训练之前，对循环权重来说 num_steps 为 {n2} 就够了**",
    "**Before training, num_steps {n2} is not enough for the recurrent weights**": "**训练之前，对循环权重来说 num_steps 为 {n2} 还不够**",
    "**Before training, it is not clear whether num_steps {n2} is enough for the recurrent weights**": "**训练之前，对循环权重来说 num_steps 为 {n2} 是否足够并不清楚**",
    "A cosine of {n1} takes num_steps {n2}: it is {n3} there, and {n4} at num_steps {n5}.": "余弦要达到 {n1}，num_steps 需为 {n2}：那时是 {n3}，num_steps 为 {n5} 时是 {n4}。",
    "Each seed was measured on a stretch of the train split of its own.": "每个种子测的是训练文本中不同的一段。",
    "Cosine with the full gradient, {w}:": "与完整梯度的余弦，{w}：",
    "Valid loss in nats a word: {w}.": "验证损失，每词的奈特数：{w}。",
    "Direction by group of weights, {w}": "各组权重的梯度方向，{w}",
    "Before training, init_scale {n}": "训练之前，init_scale {n}",
}

# What stands by itself: in a table, in a figure, or where a sentence has {w}. The longest come first.
NAMES = {
    "LSTM, forget bias 1": "LSTM（遗忘偏置 1）",
    "LSTM with forget bias 1": "LSTM（遗忘偏置 1）",
    "valid loss, nats a word": "验证损失（每词奈特数）",
    "windows clipped, %": "被裁剪的窗口，%",
    "windows clipped, state carried": "被裁剪的窗口，传递状态",
    "windows clipped, state reset": "被裁剪的窗口，清零状态",
    "valid perplexity, state carried": "验证困惑度，传递状态",
    "valid perplexity, state reset": "验证困惑度，清零状态",
    "computed floor, full memory": "算出的下限，全部记忆",
    "computed floor, state zeroed every num_steps": "算出的下限，每 num_steps 步清零",
    "multiplications, billions (log scale)": "乘法次数，十亿（对数刻度）",
    "multiplications, billions": "乘法次数，十亿",
    "scored with the state carried": "评分时传递状态",
    "scored with it zeroed at each window": "评分时每个窗口清零",
    "scored with it zeroed": "评分时清零",
    "trained sequential, carried": "顺序训练，传递状态",
    "trained sequential, reset": "顺序训练，清零状态",
    "trained random": "随机训练",
    "trained shuffled": "打乱训练",
    "sequential, carried": "顺序，传递",
    "sequential, reset": "顺序，清零",
    "operations in the graph": "计算图的运算数",
    "seconds to trace it": "追踪的秒数",
    "seconds of the first call": "第一次调用的秒数",
    "peak memory, MB": "内存峰值，MB",
    "Operations in the graph of a training step": "一个训练步的计算图的运算数",
    "operations (log scale)": "运算数（对数刻度）",
    "seconds (log scale)": "秒（对数刻度）",
    "Time to trace it": "追踪的时间",
    "Speed of training": "训练速度",
    "words a second": "每秒词数",
    "words/s": "每秒词数",
    "Peak memory of training": "训练的内存峰值",
    "memory, MB": "内存，MB",
    "Memory beyond one window": "比一个窗口多用的内存",
    "Time for one window, on the average": "一个窗口的平均时间",
    "time, ms": "时间，毫秒",
    "windows kept in the graph before it is cut": "切断之前留在计算图里的窗口数",
    "Windows whose gradient was clipped": "梯度被裁剪的窗口",
    "After the same words": "读同样多的词之后",
    "After the same updates": "更新同样多次之后",
    "Loss after the same words": "读同样多的词之后的损失",
    "Perplexity after the same words": "读同样多的词之后的困惑度",
    "Loss against updates": "损失随更新次数的变化",
    "Loss against multiplications": "损失随乘法次数的变化",
    "loss, nats a word": "损失，每词奈特数",
    "batch_size (log scale)": "batch_size（对数刻度）",
    "num_steps (log scale)": "num_steps（对数刻度）",
    "hidden_size, units (log scale)": "hidden_size，单元数（对数刻度）",
    "norm (log scale), median of seeds": "范数（对数刻度），种子的中位数",
    "Gradient of one window": "一个窗口的梯度",
    "words' frequencies": "只知道词频",
    "floor, state zeroed every num_steps": "下限，每 num_steps 步清零",
    "floor, state zeroed at each window": "下限，每个窗口清零",
    "floor, full memory": "下限，全部记忆",
    "how it was trained": "怎样训练的",
    "valid perplexity": "验证困惑度",
    "Direction of the recurrent weights' gradient": "循环权重的梯度方向",
    "cosine with the full gradient": "与完整梯度的余弦",
    "gradient norm, times k = 1": "梯度范数，k = 1 时的倍数",
    "k, steps back": "k，往回的步数",
    "After training": "训练之后",
    "after training": "训练之后",
    "before training": "训练之前",
    "Before training": "训练之前",
    "seeds that remember, %": "记得住的种子，%",
    "delay, words from symbol to question": "间隔：从符号到提问的词数",
    "recurrent kernel": "循环核",
    "input kernel": "输入核",
    "all weights": "全部权重",
    "embedding": "嵌入",
    "bias": "偏置",
    "spectral radius": "谱半径",
    "mean gate": "门的平均值",
    "held equal": "保持相同的",
    "same words": "读同样多的词",
    "same updates": "更新同样多次",
    "state carried": "传递状态",
    "state reset": "清零状态",
    "not trained": "未训练",
    "not clear": "不清楚",
    "lower": "更低",
    "higher": "更高",
    "not counted": "没有计入",
    "several, as far as was measured": "不止一种，走到了测量的尽头",
    "not tried": "未试",
    "not checked": "没有检查",
    "not recorded": "没有记录",
    "with other seeds": "换种子之后",
    "CPU time": "CPU 时间",
    "study": "研究",
    "vanished": "消失",
    "exploded": "爆炸",
    "neither vanished nor exploded": "既没有消失也没有爆炸",
    "trained with": "优化器",
    "makes no clear difference": "没有明显差别",
    "makes no difference": "没有差别",
    "finding": "结论",
    "learning rate": "学习率",
    "settings": "设置",
    "the same": "相同",
    "Studies": "研究",
    "updates": "更新次数",
    "network": "网络",
    "growth": "增长倍数",
    "weights": "权重",
    "longest": "最长",
    "carried": "传递",
    "reset": "清零",
    "random": "随机",
    "shuffled": "打乱",
    "grew faster": "增长得更快",
    "zeroed": "清零",
    "slightly lowers the loss": "使损失略微降低",
    "slightly raises the loss": "使损失略微升高",
    "lowers the loss": "使损失降低",
    "raises the loss": "使损失升高",
    "valid": "验证",
    "train": "训练",
    "command": "命令",
    "versions": "版本",
    "machine": "机器",
    "figures": "数据",
    "figure": "图",
    "text": "文本",
    "left out": "未测",
    "none": "没有",
}
NETWORK = "(?:RNN|GRU|LSTM)(?:（遗忘偏置 1）)?"
# Inside of what {w} found, after the names.
INSIDE = {
    r"untrained RNN with radius ([\d.]+)": r"未训练的 RNN（谱半径 \1）",
    r"\btrained (RNN|GRU|LSTM)": r"训练后的 \1",
    r"RNN, radius ([\d.]+)": r"RNN（谱半径 \1）",
    r"(RNN|LSTM), trained": r"\1（训练后）",
    r"^([\d.]+) for epoch (.+)": r"第 \2 轮：\1",
    r"^([\d.]+|nan|inf) for (?:the )?(.+)": r"\2：\1",
    r"((?:[\d.]+|\bnan|\binf)(?: \([^()]*\))?) for (?:the )?([^;,]+)": r"\2 \1",
    r"([\d.]+(?: \([^()]*\))?) with (\d+)": r"批为 \2 时 \1",
    r"\bafter epoch (\d+)": r"第 \1 轮之后",
    rf"({NETWORK}) with (SGD|Adam) \((\d+) words, then (\d+)\)": r"用 \2 的 \1（\3 个词，后来 \4 个）",
    rf"({NETWORK}) with (SGD|Adam) at (\d+)": r"间隔 \3 个词时用 \2 的 \1",
    r"\b(\d+) with the multiplications of (\d+)": r"\1（乘法次数同 \2）",
    r"\b([\d.]+) or ([\d.]+)$": r"\1 或 \2",
    r" ?\(scored (\S+?)\)": r"（评分时\1）",
    r"\((\d+%) of windows clipped\)": r"（\1 的窗口被裁剪）",
    r"(.+) at ([\d.]+)$": r"\2 时 \1",
    r"(\d+) to (\d+): ": r"\1 到 \2：",
    r"\bepoch (\d+)": r"第 \1 轮",
    r"^(?:of |after )?the ": "",
    r", ": "，",
    r"(?<=[\w）]): ": "：",
}


def chinese(text: str) -> str:
    """A verdict in Chinese. Code between backticks stays as it is."""
    head, line, provenance = text.partition("\n| | |\n")
    lines = [_line(each) for each in head.split("\n")]
    rows = [_row(each, names_only=True) for each in provenance.split("\n")]
    return "\n".join(lines) + (line + "\n".join(rows) if line else "")


def label(text: str) -> str:
    """What stands in a figure."""
    return _intervals(_inside(_line(text)))


def _line(line: str) -> str:
    if line.startswith("|"):
        return _row(line)
    if line in NAMES:
        return NAMES[line]
    for sentence, made in _patterns():
        line = sentence.sub(functools.partial(_put, made), line)
    line = line.replace("![figure](figure.png)", "![图](figure.zh.png)")
    line = line.replace("verdict.md)", "verdict.zh.md)")
    if re.search("[一-鿿]", line):
        line = _intervals(line)
        line = re.sub(r"(?<=[。：；，）]) (?=\S)| (?=（)|(?<=[一-鿿]) (?=[一-鿿])", "", line)
        line = line.replace("**, ", "**，")
        line = re.sub(r"\*\*\. ", "**。", re.sub(r"\.$", "。", line))
        line = re.sub(r";$", "；", line)
    return line


def _row(line: str, names_only: bool = False) -> str:
    """A row of a table: each of its cells by itself."""
    cells = [cell.strip() for cell in line.split("|")]
    if names_only:  # of what made the verdict only the name is translated
        return " | ".join([*(NAMES.get(cell, cell) for cell in cells[:2]), *cells[2:]]).strip()
    return " | ".join(label(cell) if cell else "" for cell in cells).strip()


def _inside(words: str) -> str:
    """What {w} found: the names in it, and what joins them."""
    if words.startswith("`") or re.fullmatch(NUMBER, words):
        return words
    if len(items := words.split("; ")) > 1:
        return "；".join(map(_inside, items))
    for sentence, made in _patterns():
        if sentence.fullmatch(words):
            return sentence.sub(functools.partial(_put, made), words)
    if len(items := words.split(" and ")) > 1:
        return "、".join(map(_inside, items))
    for name in sorted(NAMES, key=len, reverse=True):
        words = re.sub(rf"(?<![\w]){re.escape(name)}(?![\w])", NAMES[name], words)
    for pattern, made in INSIDE.items():
        words = re.sub(pattern, made, words)
    return words


def _put(made: str, match: re.Match) -> str:
    found = {
        name: _inside(value) if name.startswith("w") else value
        for name, value in match.groupdict().items()
    }
    return made.format(**found)


def _intervals(line: str) -> str:
    return re.sub(r" ?\(([-+\d.,e%]+|-inf) to ([-+\d.,e%]+|inf)\)", r"（\1 到 \2）", line)


@functools.cache
def _patterns() -> list[tuple[re.Pattern, str]]:
    """Each English sentence as a pattern, the longest first, and the Chinese one."""
    found = []
    for english in sorted(SENTENCES, key=len, reverse=True):
        pattern = re.escape(english).replace(r"\.", r"\.(?!\d)")
        for name in re.findall(r"{(\w+)}", english):
            kind = NUMBER if name.startswith("n") else WORDS
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>{kind})")
        if re.search(r"{w\d?}$", english):
            pattern += "$"
        found.append((re.compile(pattern), SENTENCES[english]))
    return found
