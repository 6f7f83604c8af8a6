import re

import pytest

from ptb.machine.processor import slow_precision, units


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


AMX = "avx512f avx512_bf16 amx_bf16"


@pytest.mark.parametrize(
    ("precision", "rnn_mode", "has_onednn", "flags", "words"),
    [
        ("mixed_bfloat16", "fused", True, AMX, None),
        ("mixed_bfloat16", "fused", True, "avx2", "will not be faster.*none of AVX-512 bfloat16"),
        ("mixed_bfloat16", "fused", False, AMX, "will not be faster.*without oneDNN"),
        ("mixed_bfloat16", "fused", True, "avx512f avx512_bf16", "may be slower.*AMX only"),
        ("mixed_bfloat16", "fused", True, None, "may be slower.*AMX only"),
        ("mixed_bfloat16", "static", True, AMX, "may be slower.*fused only, not with static"),
        ("mixed_float16", "fused", True, AMX, "will not be faster.*only a GPU"),
    ],
)
def test_a_precision_that_may_be_slower_here_says_why(
    tmp_path, precision, rnn_mode, has_onednn, flags, words
):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    said = slow_precision(precision, rnn_mode, has_onednn, tmp_path / "cpuinfo")
    assert re.search(words, said) if words else said is None
