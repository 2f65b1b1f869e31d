"""Matrix products of float32 on the CPU through oneDNN, where PyTorch's own choice leaves half of the processor idle.

PyTorch multiplies with Intel's MKL, which gives a processor of another maker kernels of 256 bits, whatever it can do.
From Zen 5 on, AMD's units have 512 bits, and oneDNN, which is in the same builds of PyTorch, uses them: twice the
speed (docs/LOG.md). There :func:`use_fastest` replaces three of PyTorch's operators, for the rest of the process, so
that all models are covered, forward and backward. Elsewhere it changes nothing.
"""

from __future__ import annotations

import os
import platform
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

OPERATORS = ("_linear_pointwise", "_reorder_linear_weight")
"""Of PyTorch's own ways to oneDNN, those that this needs."""
ZEN_5 = 26
"""The family of AMD processors, as Linux counts them, from which on this pays."""
KERNELS = "64"
"""Compiled products that oneDNN keeps. Batches differ in length, so most are met once; its own 1,024 hold 500 MB."""
STEP = 32
"""Sizes of a batch are filled up to a multiple of this: oneDNN keeps part of every size for ever (0.3 MB each)."""
WIDE = 8192
"""Columns from which on rows are left as they are: these are logits, and a copy would be the largest tensor."""
FEW_ROWS = 400
"""Rows up to which, by reckoning, it costs more to lay out a weight than its products gain."""
SUMMED = 2048
"""Rows of a sum that are added to at a time, so that no second matrix of its size exists."""


def in_use() -> str:
    """What multiplies float32 matrices on the CPU: "oneDNN", or "PyTorch" for PyTorch's own choice."""
    return "PyTorch" if _operators is None else "oneDNN"


def use_fastest() -> None:
    """From now on the faster of the two multiplies, in this process."""
    if pays():
        use_onednn()


def use_onednn() -> None:
    """From now on oneDNN multiplies, in this process."""
    global _operators
    if _operators is None:
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)  # read once, at its first product
        _operators = torch.library.Library("aten", "IMPL")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*Overriding a previously registered kernel")
            for name, function in (("mm", _mm), ("addmm", _addmm), ("addmm_", _addmm_)):
                _operators.impl(name, function, "CPU", allow_override=True)


def use_pytorch() -> None:
    """From now on PyTorch chooses, in this process."""
    global _operators
    if _operators is not None:
        _operators._destroy()
        _operators = None


@contextmanager
def weights_fixed(model: nn.Module, rows: int) -> Iterator[None]:
    """While no weight of ``model`` changes: oneDNN lays out each linear layer's once, not anew in every product.

    The layouts take the memory of these weights once more; the products are the same to the bit. Where no more than
    :data:`FEW_ROWS` ``rows`` are multiplied in all, nothing is laid out.
    """
    weights = [layer.weight.detach() for layer in model.modules() if isinstance(layer, nn.Linear)]
    if _operators is None or rows <= FEW_ROWS:
        weights = []
    ours = [w for w in weights if w.device.type == "cpu" and w.dtype == torch.float32 and w.is_contiguous()]
    layouts = {w.data_ptr(): torch.ops.mkldnn._reorder_linear_weight(w) for w in ours if w.numel()}
    try:
        _layouts.update(layouts)
        yield
    finally:
        for address in layouts:
            _layouts.pop(address, None)


@cache
def pays(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this is an AMD processor with units of 512 bits, and PyTorch can hand products to oneDNN."""
    if platform.system() != "Linux" or not all(hasattr(torch.ops.mkldnn, name) for name in OPERATORS):
        return False
    facts = dict(re.findall(r"^(vendor_id|cpu family)\s*: (\S+)", cpuinfo.read_text(), re.MULTILINE))
    amd = facts.get("vendor_id") == "AuthenticAMD" and int(facts["cpu family"]) >= ZEN_5
    return amd and torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def _product(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """a (n, k) @ b (k, m), plus bias (m,)."""
    n, rows, inner = len(a), 0, 0
    if a.stride(0) == 1 != a.stride(1):  # the gradient of a weight: the sum is over the batch
        inner = -a.shape[1] % STEP
    elif a.shape[1] < WIDE:
        rows = -n % STEP
    if rows or inner:
        a = _filled(a, rows, inner)
    if inner:
        b = _filled(b, inner, 0)
    if not (b.is_contiguous() or b.t().is_contiguous()):
        b = b.contiguous()  # oneDNN has no fast kernel for other layouts of this factor
    weight, layout = b.t(), _layouts.get(b.data_ptr())
    if layout is not None and layout.shape == weight.shape and weight.is_contiguous():
        weight = layout
    found: Tensor = torch.ops.mkldnn._linear_pointwise(a, weight, bias, "none", [], "")
    return found[:n]


def _filled(x: Tensor, rows: int, columns: int) -> Tensor:
    """x with so many more rows and columns of zeros, laid out as x is."""
    if x.stride(0) == 1 != x.stride(1):
        return _filled(x.t(), columns, rows).t()
    n, m = x.shape
    found = x.new_empty(n + rows, m + columns)
    found[:n, :m], found[n:], found[:n, m:] = x, 0, 0
    return found


def _fits(a: Tensor, b: Tensor, *others: Tensor) -> bool:
    """Whether these are for oneDNN; PyTorch has the other types, and the errors."""
    matrices = a.dim() == b.dim() == 2 and a.shape[1] == b.shape[0]
    return matrices and all(one.dtype == torch.float32 and one.numel() for one in (a, b, *others))


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if _fits(a, b):
        return _product(a, b)
    return torch.ops.aten.mm.out(a, b, out=a.new_empty(0))


def _addmm(bias: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if _fits(a, b, bias) and bias.shape == b.shape[1:] and beta == alpha == 1:
        return _product(a, b, bias)
    return torch.ops.aten.addmm.out(bias, a, b, beta=beta, alpha=alpha, out=a.new_empty(0))


def _addmm_(total: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    shape = len(a), b.shape[-1]
    if not _fits(a, b, total) or total.shape != shape or beta not in (0, 1) or alpha != 1:
        return total.copy_(torch.addmm(total, a, b, beta=beta, alpha=alpha))
    for rows, factor in zip(total.split(SUMMED), a.split(SUMMED), strict=True):
        rows.copy_(_product(factor, b)) if beta == 0 else rows.add_(_product(factor, b))
    return total


_operators: torch.library.Library | None = None
_layouts: dict[int, Tensor] = {}  # of weights that do not change, by their addresses
