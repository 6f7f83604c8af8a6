"""The processor's units for fast multiplication, and for 16-bit numbers."""

from __future__ import annotations

import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # of Linux
# What makes matrix products fast, by the flag that Linux gives it: in `flags` on x86, in `Features`
# on ARM.
UNITS = {
    "AVX2": "avx2",
    "AVX-512": "avx512f",
    "AVX-512 bfloat16": "avx512_bf16",
    "AMX bfloat16": "amx_bf16",
    "ARM bfloat16": "bf16",
}
BFLOAT16_UNITS = tuple(unit for unit in UNITS if "bfloat16" in unit)


def described(cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """The system's description of the first processor; empty if there is none."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    return found


def units(cpuinfo: Path = CPUINFO) -> list[str] | None:
    """The `UNITS` of this processor; None if the system does not say."""
    found = described(cpuinfo)
    flags = found.get("flags", found.get("Features"))
    if flags is None:
        return None
    return [unit for unit, flag in UNITS.items() if flag in flags.split()]


def onednn_has_bfloat16(cpuinfo: Path = CPUINFO) -> bool:
    """Whether TensorFlow computes bfloat16 with oneDNN here, and not with operations of its own.

    It does on x86 with AVX-512, unless `TF_ENABLE_ONEDNN_OPTS=0`.
    """
    return not _onednn_is_off() and "AVX-512" in (units(cpuinfo) or [])


def slow_precision(
    precision: str, rnn_mode: str, on_gpu: bool, cpuinfo: Path = CPUINFO
) -> str | None:
    """What to say of a `precision` that is not known to be faster than float32 here; else None.

    results/performance.md has the measurements: faster with AMX and `fused`, slower elsewhere.
    """
    if precision == "float32" or on_gpu:
        return None
    if reason := _why_not_faster(precision, cpuinfo):
        return f"will not be faster than float32: {reason}"
    if "AMX bfloat16" not in (units(cpuinfo) or []):
        return "may be slower than float32: it is known to be faster on processors with AMX only"
    if rnn_mode != "fused":
        known = "it is known to be faster with rnn_mode=fused only"
        return f"may be slower than float32: {known}, not with {rnn_mode}"
    return None


def _why_not_faster(precision: str, cpuinfo: Path) -> str | None:
    if precision == "mixed_float16":
        return "only a GPU multiplies float16 faster"
    if _onednn_is_off():
        return "TF_ENABLE_ONEDNN_OPTS=0 turns off the fast products in bfloat16"
    found = units(cpuinfo)
    if found is not None and not set(found) & set(BFLOAT16_UNITS):
        return f"this processor has none of {', '.join(BFLOAT16_UNITS)}"
    return None


def _onednn_is_off() -> bool:
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
