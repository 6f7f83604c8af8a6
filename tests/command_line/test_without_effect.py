import pytest

from ptb.command_line.without_effect import refuse_without_effect


@pytest.mark.parametrize(
    ("given", "how", "message"),
    [
        (
            ("--batch_size=3",),
            {"without": "--sweep"},
            "--batch_size=3 has no effect without --sweep: add that, or leave out --batch_size",
        ),
        (
            ("--nolowercase",),
            {"where": "with --inside"},
            "--nolowercase has no effect with --inside: leave out --nolowercase",
        ),
    ],
)
def test_a_flag_without_effect_is_refused_as_it_was_given(parse, given, how, message):
    parse(*given)
    with pytest.raises(ValueError, match=f"^{message}$"):
        refuse_without_effect(("seed", "batch_size", "lowercase"), **how)


def test_only_flags_that_were_given_are_refused(parse):
    parse("--num_steps=3")
    refuse_without_effect(("seed", "batch_size", "lowercase"), "on the speed")
