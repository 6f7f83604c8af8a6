import pytest

from ptb.runs.save_options import SaveOptions


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"every": "5m"}, "checkpoint_every=5m"),
        ({"keep": 0}, "keep=0 is out of bounds"),
        ({"on_divergence": "Stop"}, "on_divergence=Stop is unknown: choose from stop, rollback"),
    ],
)
def test_a_bad_value_is_refused_by_name(values, said):
    with pytest.raises(ValueError, match=said):
        SaveOptions(**values)
