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


AVX512 = "avx512f avx512_bf16"
AMX = f"{AVX512} amx_bf16"
INTEL, AMD = "GenuineIntel", "AuthenticAMD"


@pytest.mark.parametrize(
    ("precision", "rnn_mode", "has_onednn", "vendor", "flags", "words"),
    [
        ("mixed_bfloat16", "fused", True, INTEL, AMX, None),
        ("mixed_bfloat16", "fused", True, AMD, AVX512, None),
        ("mixed_bfloat16", "fused", True, AMD, "avx2", "will not be faster.*none of AVX-512 bf"),
        ("mixed_bfloat16", "fused", False, INTEL, AMX, "will not be faster.*without oneDNN"),
        ("mixed_bfloat16", "fused", True, INTEL, AVX512, "may be slower.*Intel.* with AMX"),
        ("mixed_bfloat16", "fused", True, None, None, "may be slower.*Intel.* with AMX"),
        ("mixed_bfloat16", "static", True, INTEL, AMX, "may be slower.*fused only, not with stat"),
        ("mixed_bfloat16", "static", True, AMD, AVX512, "may be slower.*fused only, not with stat"),
        ("mixed_float16", "fused", True, INTEL, AMX, "will not be faster.*only a GPU"),
    ],
)
def test_a_precision_that_may_be_slower_here_says_why(
    tmp_path, precision, rnn_mode, has_onednn, vendor, flags, words
):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"vendor_id : {vendor}\nflags : {flags}\n")
    said = slow_precision(precision, rnn_mode, has_onednn, tmp_path / "cpuinfo")
    assert re.search(words, said) if words else said is None
