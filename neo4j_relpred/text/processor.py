"""What this machine is good at: its processor, and a GPU if torch finds one."""

from __future__ import annotations

from typing import Any

from neo4j_relpred.config import Device
from neo4j_relpred.errors import InvalidSettings

__all__ = ["abilities", "device_of", "multiplies_bf16", "multiplies_int8"]


def abilities() -> dict[str, Any]:
    """What the processor has, by torch's names; nothing where torch does not know."""
    import torch

    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


def device_of(wish: Device, setting: str) -> str:
    """cpu or cuda: what the setting of this name says, or what there is. Raises InvalidSettings without a GPU."""
    import torch

    if wish == "cuda" and not torch.cuda.is_available():
        raise InvalidSettings(f"{setting} is 'cuda', but torch finds no GPU.", hint=f"Set {setting} to 'auto'.")
    if wish != "auto":
        return wish
    return "cuda" if torch.cuda.is_available() else "cpu"


def multiplies_bf16(device: str = "cpu") -> bool:
    """Whether it multiplies matrices in bf16, several times as fast as in fp32; others emulate it slowly."""
    if device != "cpu":
        import torch

        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    able = abilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def multiplies_int8() -> bool:
    """Whether the processor sums products of bytes four at a time; others convert them first."""
    able = abilities()
    return bool(able.get("avx512_vnni") or able.get("avx_vnni") or able.get("amx_int8"))
