"""Wrong input of every kind ends in one line that names it, and never in a traceback."""

import contextlib
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptb.command_line.commands import COMMANDS
from ptb.machine.escape import escape
from tests.faults import inputs
from tests.forked import hide_tensorflow, one_line_error, run

# One of each kind; -m slow runs them all.
SAMPLE = 16
# Their wrong input is tested with the studies and the benchmarks.
UNTRIED = {"ptb study", "ptb scale", "ptb check"}


def contents(folder):
    """Every file, and that there is nothing else but these folders."""
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def one_line(case, result):
    line = one_line_error(result, case.script, case.message)
    assert len(line) < 6000
    assert escape(line) == line


def check(case, world, tmp_path):
    """The answer also comes at once: TensorFlow is needed to fetch Penn Treebank, or for a model.

    How large a model is, and which weights it has, only its layers know.
    """
    folder = world
    sizes = "GiB for weights", "for one window, beside", "the weight "
    of_a_model = any(size in case.message for size in sizes)
    hidden = [] if of_a_model or "--dataset=ptb" in case.flags else [hide_tensorflow]
    if case.damage:
        folder = shutil.copytree(world, tmp_path / "world", copy_function=shutil.copy)
        inputs.Edit(("corpus", "source", "data_path"), str(folder / "text"))(folder)
        case.damage(folder)
    before = contents(folder)
    one_line(case, run(case.script, *case.flags, folder=folder, prepare=hidden))
    assert contents(folder) == before


def every(count):
    """The cases, all but each `count`-th of which is slow."""
    for i, case in enumerate(inputs.CASES):
        marks = [] if i % count == 0 else [pytest.mark.slow]
        yield pytest.param(case, id=f"{case.script} {' '.join(case.flags)[:60]!a} {i}", marks=marks)


@pytest.mark.parametrize("case", list(every(SAMPLE)))
def test_wrong_input_ends_in_one_line_and_changes_nothing(case, world, tmp_path):
    check(case, world, tmp_path)


def test_there_are_at_least_sixty_cases_and_some_for_every_script():
    assert len(inputs.CASES) >= 60
    others = {f"ptb {name}" for name in COMMANDS} - {"ptb train", "ptb evaluate"} - UNTRIED
    assert {case.script for case in inputs.CASES} == others | {"train.py", "evaluate.py"}


NUMBERS = ("num_steps", "batch_size", "hidden_size", "learning_rate", "keep_prob", "seed", "keep")


def is_accepted(text):
    """Whether it could be a value in bounds. absl reads hexadecimal too."""
    for number in (float, lambda text: int(text, 0)):
        with contextlib.suppress(ValueError):
            return 0 <= number(text) <= 1e7
    return False


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(NUMBERS),
    value=st.one_of(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        st.integers(max_value=-1).map(str),
        st.integers(min_value=2**63).map(str),
        st.sampled_from(["1e400", "-0x10", "1_0_0_0_0_0_0_0_0_0_0"]),
    ).filter(lambda value: not is_accepted(value)),
)
def test_any_other_value_of_a_number_is_refused(name, value, world, tmp_path):
    check(inputs.Case("train.py", ("--model=test", f"--{name}={value}"), name), world, tmp_path)
