"""The readability count reads prose alone, and one sentence at a time."""

from docs.readability import row, sentences


def test_tables_code_links_and_hidden_names_are_no_prose():
    page = """# Two words

A [link](far/away.md) of 0.5<!--half--> and `inline code`. See e.g. the rest.

| a | b |
|---|---|

```sh
ptb study
```
- an item
"""
    assert [" ".join(each.split()) for each in sentences(page)] == [
        "Two words",
        "A link of 0.5 and `code`.",
        "See e.g. the rest.",
        "an item",
    ]


def test_a_row_has_words_mean_length_long_sentences_and_grade():
    name, words, mean, over_25, over_30, grade = row("x", ["One two.", "word " * 28]).split()
    assert (name, words, mean, over_25, over_30) == ("x", "30", "15.0", "50.0%", "0.0%")
    assert 1 < float(grade) < 6
