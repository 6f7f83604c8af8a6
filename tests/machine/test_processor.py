import pytest

from ptb.machine.processor import bfloat16_units, why_no_faster


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("flags\t\t: fpu avx512_bf16 amx_bf16 amx_tile\n", ("amx_bf16", "avx512_bf16")),
        ("flags : fpu avx2 avx512f\n", ()),
        ("Features : fp asimd bf16\n", ("bf16",)),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_the_processor_says_which_units_multiply_bfloat16(tmp_path, text, units):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    assert bfloat16_units(file) == units


@pytest.mark.parametrize(
    ("precision", "on_gpu", "flags", "words"),
    [
        ("float32", False, "avx2", None),
        ("mixed_bfloat16", False, "avx2", "no bfloat16 units"),
        ("mixed_bfloat16", False, "amx_bf16", None),
        ("mixed_bfloat16", True, "avx2", None),
        ("mixed_float16", False, "amx_bf16", "only a GPU"),
        ("mixed_float16", True, "avx2", None),
    ],
)
def test_a_precision_that_is_no_faster_here_says_why(tmp_path, precision, on_gpu, flags, words):
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    reason = why_no_faster(precision, on_gpu, tmp_path / "cpuinfo")
    assert words in reason if words else reason is None
