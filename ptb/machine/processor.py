"""What the processor computes in half the bits."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")  # of Linux
# x86 names them in `flags`, ARM in `Features`.
BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16", "bf16")


def bfloat16_units(cpuinfo: Path = CPUINFO) -> tuple[str, ...] | None:
    """The units of this processor that multiply bfloat16; None where the system does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, values = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return tuple(unit for unit in BFLOAT16_UNITS if unit in values.split())
    return None


def why_no_faster(precision: str, on_gpu: bool, cpuinfo: Path = CPUINFO) -> str | None:
    """Why `precision` trains no faster than float32 here; None where it may."""
    if precision == "float32" or on_gpu:
        return None
    if precision == "mixed_float16":
        return "only a GPU multiplies float16 faster"
    if bfloat16_units(cpuinfo) == ():
        return f"this processor has no bfloat16 units ({', '.join(BFLOAT16_UNITS)})"
    return None
