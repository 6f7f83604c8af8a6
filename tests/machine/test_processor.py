import re

import pytest

from ptb.machine.processor import onednn_has_bfloat16, slow_precision, units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "flags\t\t: fpu amx_bf16 avx512_bf16 amx_tile\n",
            ["AVX-512 bfloat16", "AMX bfloat16"],
        ),
        ("flags : fpu avx2 avx512f\n", ["AVX2", "AVX-512"]),
        ("Features : fp asimd bf16\n", ["ARM bfloat16"]),
        ("", None),
        (None, None),
    ],
)
def test_the_units_of_the_processor_are_read_from_its_flags(tmp_path, text, expected):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    assert units(file) == expected


AMX = "avx512f avx512_bf16 amx_bf16"


@pytest.mark.parametrize(
    ("precision", "rnn_mode", "on_gpu", "flags", "words"),
    [
        ("float32", "fused", False, "avx2", None),
        ("mixed_bfloat16", "fused", False, AMX, None),
        ("mixed_bfloat16", "fused", False, "avx2", "will not be faster.*none of AVX-512 bfloat16"),
        ("mixed_bfloat16", "fused", False, "avx512f avx512_bf16", "may be slower.*AMX only"),
        ("mixed_bfloat16", "static", False, AMX, "may be slower.*fused only, not with static"),
        ("mixed_bfloat16", "keras", True, "avx2", None),
        ("mixed_float16", "fused", False, AMX, "will not be faster.*only a GPU"),
        ("mixed_float16", "keras", True, "avx2", None),
    ],
)
def test_a_precision_that_may_be_slower_here_says_why(
    tmp_path, monkeypatch, precision, rnn_mode, on_gpu, flags, words
):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    said = slow_precision(precision, rnn_mode, on_gpu, tmp_path / "cpuinfo")
    assert re.search(words, said) if words else said is None


def test_bfloat16_is_not_faster_without_onednn(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    (tmp_path / "cpuinfo").write_text(f"flags : {AMX}\n")
    said = slow_precision("mixed_bfloat16", "fused", False, tmp_path / "cpuinfo")
    assert "TF_ENABLE_ONEDNN_OPTS=0" in said
    assert slow_precision("float32", "fused", False, tmp_path / "cpuinfo") is None


def test_bfloat16_may_be_slower_on_a_processor_that_the_system_does_not_describe(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    said = slow_precision("mixed_bfloat16", "fused", False, tmp_path / "none")
    assert "may be slower" in said


@pytest.mark.parametrize(
    ("flags", "setting", "expected"),
    [
        ("avx2 avx512f", None, True),
        ("avx2 avx512f", "1", True),
        ("avx2 avx512f", "0", False),
        ("avx2", None, False),
        ("", None, False),
    ],
)
def test_onednn_computes_bfloat16_where_there_is_avx_512(
    tmp_path, monkeypatch, flags, setting, expected
):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if setting is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    assert onednn_has_bfloat16(tmp_path / "cpuinfo") is expected
