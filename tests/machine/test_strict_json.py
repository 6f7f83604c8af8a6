import json
import math

import pytest

from ptb.machine import strict_json


def test_numbers_that_json_does_not_have_are_null():
    value = {"a": [1.5, math.inf, (-math.inf, math.nan)], "b": "NaN", "c": True}
    assert json.loads(strict_json.dumps(value)) == {
        "a": [1.5, None, [None, None]],
        "b": "NaN",
        "c": True,
    }


def test_what_is_no_json_is_refused():
    with pytest.raises(TypeError):
        strict_json.dumps({"a": object()})
