"""What this processor is good at."""

from __future__ import annotations

from typing import Any

__all__ = ["abilities", "multiplies_bf16"]


def abilities() -> dict[str, Any]:
    """What the processor has, by torch's names; nothing where torch does not know."""
    import torch

    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


def multiplies_bf16() -> bool:
    """Whether it multiplies matrices in bf16, several times as fast as in fp32; others emulate it slowly."""
    able = abilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))
