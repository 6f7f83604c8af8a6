"""The processor's units for fast multiplication, and for 16-bit numbers."""

from __future__ import annotations

from pathlib import Path

from ptb.machine.system import lines_of

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
    found: dict[str, str] = {}
    for line in lines_of(cpuinfo):
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


def slow_precision(
    precision: str, rnn_mode: str, has_onednn: bool, cpuinfo: Path = CPUINFO
) -> str | None:
    """What to say of a lower `precision` that is not known to be faster than float32 on this CPU.

    None if it is. results/performance.md has the measurements: faster with `fused`, on Intel with
    AMX and on AMD with AVX-512 bfloat16; slower on Intel without AMX. `has_onednn`: whether
    TensorFlow computes bfloat16 with oneDNN.
    """
    found = units(cpuinfo)
    if reason := _why_not_faster(precision, has_onednn, found):
        return f"will not be faster than float32: {reason}"
    amd = described(cpuinfo).get("vendor_id") == "AuthenticAMD"
    if ("AVX-512 bfloat16" if amd else "AMX bfloat16") not in (found or []):
        known = "on Intel processors with AMX and AMD processors with AVX-512 bfloat16"
        return f"may be slower than float32: it is known to be faster {known} only"
    if rnn_mode != "fused":
        known = "it is known to be faster with rnn_mode=fused only"
        return f"may be slower than float32: {known}, not with {rnn_mode}"
    return None


def _why_not_faster(precision: str, has_onednn: bool, found: list[str] | None) -> str | None:
    if precision == "mixed_float16":
        return "only a GPU multiplies float16 faster"
    if not has_onednn:
        return "TensorFlow computes bfloat16 without oneDNN here"
    if found is not None and not set(found) & set(BFLOAT16_UNITS):
        return f"this processor has none of {', '.join(BFLOAT16_UNITS)}"
    return None
