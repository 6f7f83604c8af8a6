import pytest
from matplotlib.figure import Figure

from ptb.runs.curve import perplexity_axis


@pytest.mark.parametrize(
    ("low", "high", "numbers"),
    [
        (82, 134, ["90", "100", "110", "120", "130"]),
        (58, 275, ["70", "100", "150", "200"]),
        (8.9, 41, ["10", "15", "20", "30"]),
        (605, 1919, ["800", "1,000", "1,200", "1,400", "1,600", "1,800"]),
        (90, 9000, ["100", "200", "500", "1,000", "2,000", "5,000"]),
    ],
)
def test_a_perplexity_can_be_read_off_the_axis(low, high, numbers):
    axes = Figure().subplots()
    axes.plot([low, high])
    perplexity_axis(axes, [low, high])
    visible = [value for value in axes.get_yticks() if low <= value <= high]
    assert [axes.yaxis.get_major_formatter()(value) for value in visible] == numbers
