"""What is not as declared is refused by its name, with its value and what to give."""

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, NotRequired, TypedDict

import pytest

from ptb.machine.checked import Limits, check, check_fields, make

Share = Annotated[float, Limits(0, 1)]


class Inner(TypedDict, total=False):
    share: Share


class Outer(TypedDict):
    name: str
    inner: Inner
    shares: NotRequired[tuple[float, float, float] | None]
    counts: NotRequired[dict[str, Annotated[int, Limits(1, 9)]]]
    inners: NotRequired[tuple[Inner, ...]]


WHOLE = {
    "name": "a",
    "inner": {"share": 1, "more": object()},
    "shares": [80, 10.5, 9.5],
    "counts": {"b": 1, "c": 9},
    "inners": [{}, {"share": 0.5}],
}


@pytest.mark.parametrize("values", [WHOLE, {"name": "", "inner": {}}, WHOLE | {"shares": None}])
def test_what_is_as_declared_passes(values):
    check("it", values, Outer)


WRONG = "is of the wrong type: give"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (7, f"it=7 {WRONG} an object"),
        ({"inner": {}}, "it has no name"),
        (WHOLE | {"name": None}, f"it.name=None {WRONG} a text"),
        (WHOLE | {"inner": []}, f"it.inner=[] {WRONG} an object"),
        (WHOLE | {"inner": {"share": "1"}}, f"it.inner.share='1' {WRONG} a number"),
        (WHOLE | {"inner": {"share": True}}, f"it.inner.share=True {WRONG} a number"),
        (
            WHOLE | {"inner": {"share": 1.5}},
            "it.inner.share=1.5 is out of bounds: give a value from 0 to 1",
        ),
        (WHOLE | {"shares": [1, 2]}, "it.shares=[1, 2] has 2 elements: give 3"),
        (WHOLE | {"shares": [1, 2, "3"]}, f"it.shares[2]='3' {WRONG} a number"),
        (WHOLE | {"counts": {"b": 1.0}}, f"it.counts.b=1.0 {WRONG} a whole number"),
        (WHOLE | {"counts": {"b": 0}}, "it.counts.b=0 is out of bounds: give a value from 1 to 9"),
        (WHOLE | {"inners": [{}, 3]}, f"it.inners[1]=3 {WRONG} an object"),
    ],
)  # fmt: skip
def test_what_is_not_is_named_with_its_value_and_what_to_give(values, error):
    with pytest.raises(ValueError) as raised:
        check("it", values, Outer)
    assert str(raised.value) == error


@dataclass(frozen=True)
class Settings:
    size: int = field(metadata={"low": 1, "high": 10})
    rate: Share = 0.5
    on: bool = False
    mode: str = field(default="a", metadata={"choices": ("a", "b")})

    def __post_init__(self):
        check_fields(self)


def test_a_dataclass_is_made_of_its_dict():
    settings = Settings(3, 1, True, "b")
    assert make(Settings, dataclasses.asdict(settings), "the settings") == settings
    assert make(Settings, {"size": 3}, "the settings") == Settings(3)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([], "the settings=[] is of the wrong type: give an object"),
        ({}, "the settings has no size"),
        ({"size": 3, "colour": 1, "b": 2}, "the settings has unknown fields: b, colour"),
        ({"size": 0}, "size=0 is out of bounds: give a value from 1 to 10"),
        ({"size": False}, "size=False is of the wrong type: give a whole number"),
        ({"size": 3, "rate": float("nan")}, "rate=nan is out of bounds: give a value from 0 to 1"),
        ({"size": 3, "on": 1}, "on=1 is of the wrong type: give true or false"),
        ({"size": 3, "mode": "c"}, "mode=c is unknown: choose from a, b"),
        ({"size": 3, "mode": ["a"]}, "mode=['a'] is of the wrong type: give a text"),
    ],
)
def test_a_field_that_is_not_as_declared_is_refused(values, error):
    with pytest.raises(ValueError) as raised:
        make(Settings, values, "the settings")
    assert str(raised.value) == error


def test_a_value_of_any_length_has_a_short_error():
    for value in (10**400, 10**5000, "a" * 10_000, [0] * 10_000):
        with pytest.raises(ValueError, match=r"^size=") as raised:
            Settings(value)
        assert len(str(raised.value)) < 160
