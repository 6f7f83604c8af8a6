import pytest

from ptb.machine.processor import units, why_no_faster


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "flags\t\t: fpu amx_bf16 avx512_bf16 amx_tile\n",
            ["AVX-512 bfloat16", "AMX bfloat16"],
        ),
        ("flags : fpu avx2 avx512f\n", ["AVX2", "AVX-512"]),
        ("Features : fp asimd bf16\n", ["ARM bfloat16"]),
        (b"model name : \xff\nflags : avx2\n", ["AVX2"]),
        ("", None),
        (None, None),
    ],
)
def test_the_units_of_the_processor_are_read_from_its_flags(tmp_path, text, expected):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert units(file) == expected


@pytest.mark.parametrize(
    ("precision", "on_gpu", "flags", "words"),
    [
        ("float32", False, "avx2", None),
        ("mixed_bfloat16", False, "avx2", "none of AVX-512 bfloat16"),
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
