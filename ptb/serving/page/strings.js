// Every word of the page, in both languages; {places} are filled by `say` in page.js. The value is
// JSON, which a test reads.
"use strict";

const STRINGS = {
  "title": { "en": "Next {unit}", "zh": "下一个{unit}" },
  "other_language": { "en": "中文", "zh": "English" },
  "unit_word": { "en": "word", "zh": "词" },
  "units_word": { "en": "words", "zh": "词" },
  "unit_char": { "en": "character", "zh": "字符" },
  "units_char": { "en": "characters", "zh": "字符" },
  "unit_wordpunct": { "en": "word or punctuation mark", "zh": "词或标点" },
  "units_wordpunct": { "en": "words and punctuation marks", "zh": "词和标点" },
  "unit_subword": { "en": "subword", "zh": "子词" },
  "units_subword": { "en": "subwords", "zh": "子词" },
  "loading": { "en": "Loading the model…", "zh": "正在载入模型……" },
  "model_line": { "en": "{name}: {count} {units}", "zh": "{name}：{count} 个{units}" },
  "model_line_test": {
    "en": "{name}: {count} {units}, test perplexity {perplexity}",
    "zh": "{name}：{count} 个{units}，测试困惑度 {perplexity}"
  },
  "no_answer": {
    "en": "The server does not answer. Is ptb serve still running?",
    "zh": "服务器没有回应。ptb serve 还在运行吗？"
  },
  "error": { "en": "Error {status}", "zh": "错误 {status}" },

  "text": { "en": "Text", "zh": "文本" },
  "text_hint": {
    "en": "Type here, or choose what comes next below",
    "zh": "在这里输入，或者在下面选下一个{unit}"
  },
  "count": { "en": "{count} of {most} characters", "zh": "{count} / {most} 个字符" },
  "too_long": {
    "en": "This text has {count} characters, and the page reads at most {most}: please shorten it.",
    "zh": "文本有 {count} 个字符，本页最多读 {most} 个：请缩短。"
  },
  "next": { "en": "What comes next", "zh": "接下来是什么" },
  "surprisal": { "en": "Surprisal so far", "zh": "到目前为止的惊异度" },
  "surprisal_about": {
    "en": "Bits of each {unit}: −log₂ of the probability that it had. The stronger the colour, the more surprising; dashed {units} became <unk>.",
    "zh": "每个{unit}的比特数：它的概率的 −log₂。颜色越浓，越出乎意料；虚线框的{units}被读成 <unk>。"
  },
  "bits": { "en": "{bits} bits", "zh": "{bits} 比特" },
  "perplexity": {
    "en": "Perplexity {perplexity} over {count} {units}",
    "zh": "{count} 个{units}的困惑度：{perplexity}"
  },

  "continue_title": { "en": "Continue the text", "zh": "续写文本" },
  "num_words": { "en": "How many {units}", "zh": "续写几个{units}" },
  "num_words_about": {
    "en": "They are drawn one after the other; each is read before the next is drawn.",
    "zh": "一个接一个地抽取；抽出一个，先读它，再抽下一个。"
  },
  "temperature": { "en": "Temperature", "zh": "温度" },
  "temperature_about": {
    "en": "Divides the scores. 1 draws from the model's own distribution, below 1 prefers the likely, above 1 the rare; 0 always takes the best.",
    "zh": "分数除以它。1 按模型自己的分布抽取，小于 1 偏向常见的，大于 1 偏向少见的；0 总是取最好的。"
  },
  "top_k": { "en": "Top k", "zh": "前 k 个" },
  "top_k_about": {
    "en": "Draws only from the k likeliest. 0 keeps all; 1 is the same as a temperature of 0.",
    "zh": "只从最可能的 k 个里抽取。0 保留全部；1 等于温度为 0。"
  },
  "seed": { "en": "Seed", "zh": "随机种子" },
  "seed_about": {
    "en": "The same seed, text and settings give the same continuation. Each time it goes up by one.",
    "zh": "种子、文本和设置都相同，续写就相同。每续写一次，种子加一。"
  },
  "continue": { "en": "Continue", "zh": "续写" },
  "undo": { "en": "Undo", "zh": "撤销" },
  "copy_text": { "en": "Copy text", "zh": "复制文本" },
  "copy_link": { "en": "Copy link", "zh": "复制链接" },
  "continue_about": {
    "en": "Ctrl+Enter in the text continues it too. The link holds the text and all settings.",
    "zh": "在文本框里按 Ctrl+Enter 也可以续写。链接里有文本和全部设置。"
  },
  "text_copied": { "en": "Text copied.", "zh": "文本已复制。" },
  "link_copied": {
    "en": "Link copied: it is in the address bar too.",
    "zh": "链接已复制：地址栏里也有。"
  },
  "cannot_copy": {
    "en": "The browser does not let this page copy: select the text, and copy it by hand.",
    "zh": "浏览器不允许本页复制：请选中文本，手动复制。"
  },

  "compare_title": { "en": "Compare two temperatures", "zh": "比较两个温度" },
  "compare_about": {
    "en": "Both continue the text above from the same seed; the other settings are those above.",
    "zh": "两边从同一个种子续写上面的文本；其他设置与上面相同。"
  },
  "first": { "en": "First temperature", "zh": "第一个温度" },
  "second": { "en": "Second temperature", "zh": "第二个温度" },
  "compare": { "en": "Compare", "zh": "比较" },
  "use_this": { "en": "Use this", "zh": "用这一段" },
  "copy": { "en": "Copy", "zh": "复制" },
  "copied": { "en": "Copied.", "zh": "已复制。" },

  "inside_title": { "en": "Inside the model", "zh": "模型内部" },
  "inside_about": {
    "en": "What happens in single units of a layer while it reads, and which earlier {units} each prediction depends on. It follows your typing.",
    "zh": "一层里的单个单元读文本时发生什么，以及每个预测依赖前面的哪些{units}。图会随着输入更新。"
  },
  "no_inside": {
    "en": "This export was made by an earlier version and does not tell its gates: run ptb export again to see them here.",
    "zh": "这个导出是旧版本做的，里面没有门的数值：重新运行 ptb export，就能在这里看到。"
  },
  "layer": { "en": "Layer", "zh": "层" },
  "layer_about": {
    "en": "0 is the lowest, {top} the highest, from which the next {unit} is predicted.",
    "zh": "0 是最下面一层；{top} 是最上面一层，由它预测下一个{unit}。"
  },
  "units": { "en": "Units", "zh": "单元" },
  "units_about": {
    "en": "Up to 20 numbers from 0 to {highest}, with commas. Empty: the three whose output varies most in this text.",
    "zh": "从 0 到 {highest} 的编号，最多 20 个，用逗号隔开。空着：输出在这段文本里变化最大的三个。"
  },
  "wrong_units": {
    "en": "Units: give up to 20 numbers from 0 to {highest}, with commas.",
    "zh": "单元：请填从 0 到 {highest} 的编号，最多 20 个，用逗号隔开。"
  },
  "wrong_layer": {
    "en": "Layer: give a number from 0 to {top}.",
    "zh": "层：请填从 0 到 {top} 的数。"
  },
  "keep_units": { "en": "Keep these units", "zh": "固定这些单元" },
  "place": { "en": "Place in the text", "zh": "文本中的位置" },
  "place_about": {
    "en": "Move it, or click in the picture. At the right end it follows your typing.",
    "zh": "拖动它，或者在图上点一下。放在最右边时，它跟着输入走。"
  },
  "type_more": { "en": "Type at least two {units}.", "zh": "请至少输入两个{units}。" },
  "last_only": {
    "en": "The last {count} of {all} {units} are shown; all were read.",
    "zh": "图中是 {all} 个{units}里的最后 {count} 个；全部都读过。"
  },
  "picture": {
    "en": "Picture of the numbers in the table below: surprisal, {shown}, gradients",
    "zh": "下面表格中数值的图：惊异度、{shown}、梯度"
  },
  "picture_region": { "en": "Picture, scrolls sideways", "zh": "图，可以左右滚动" },
  "surprisal_bits": { "en": "surprisal, up to {bits} bits", "zh": "惊异度，最高 {bits} 比特" },
  "unit_of_layer": { "en": "unit {number} of layer {layer}", "zh": "第 {layer} 层的单元 {number}" },
  "gradient_map": {
    "en": "gradient: row predicted, column read",
    "zh": "梯度：行是所预测的，列是所读的"
  },
  "legend_positive": { "en": "above 0", "zh": "大于 0" },
  "legend_negative": { "en": "below 0", "zh": "小于 0" },
  "legend_strength": {
    "en": "the stronger, the further from 0; a full colour is 1, or the number behind the name",
    "zh": "颜色越浓，离 0 越远；最浓是 1，或者名字后面的数"
  },
  "legend_gradient": {
    "en": "norm of the gradient of log p(row) for the embedding of the column; a full colour is the largest, none is a thousandth of it",
    "zh": "log p(行) 对列的嵌入的梯度的范数；最浓是最大值，无色是它的千分之一以下"
  },
  "legend_window": {
    "en": "left of the line: more than {num_steps} back, from where no gradient came in training",
    "zh": "线的左边：超过 {num_steps} 步之前，训练时没有梯度从那里传来"
  },
  "at_place": { "en": "{place}. “{text}”", "zh": "{place}. “{text}”" },
  "at_first": { "en": "nothing predicts it", "zh": "没有什么预测它" },
  "depends_on": { "en": "Depends most on: {list}", "zh": "最依赖：{list}" },
  "one_of_them": { "en": "“{text}” ({back} back) {norm}", "zh": "“{text}”（前 {back} 个）{norm}" },
  "as_table": { "en": "The numbers as tables", "zh": "数值表格" },
  "table_values": { "en": "Surprisal, gates and state", "zh": "惊异度、门和状态" },
  "table_gradients": {
    "en": "Gradient norms: row predicted, column read",
    "zh": "梯度范数：行是所预测的，列是所读的"
  },
  "table_bits": { "en": "bits", "zh": "比特" },
  "table_unit": { "en": "unit {number}", "zh": "单元 {number}" },

  "card_title": { "en": "The model", "zh": "模型" },
  "card_name": { "en": "Name", "zh": "名称" },
  "card_network": { "en": "Network", "zh": "网络" },
  "network": {
    "en": "{layers} x {size} {cell}, {count} weights",
    "zh": "{layers} x {size} {cell}，{count} 个权重"
  },
  "card_vocabulary": { "en": "Vocabulary", "zh": "词表" },
  "vocabulary": { "en": "{count} {units}", "zh": "{count} 个{units}" },
  "card_corpus": { "en": "Trained on", "zh": "训练文本" },
  "card_fingerprint": { "en": "Fingerprint of the text", "zh": "文本的指纹" },
  "not_recorded": { "en": "not recorded", "zh": "没有记录" },
  "card_perplexity": { "en": "Perplexity", "zh": "困惑度" },
  "not_measured": { "en": "not measured", "zh": "没有测量" },
  "explore": {
    "en": "How a text becomes training windows: cut one yourself",
    "zh": "文本怎样变成训练窗口：自己切一段试试"
  }
};
