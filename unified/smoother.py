"""Smoothers: `u <- tau(u + psi(B(phi(f - A u))))`, repeated, with every part a slot.

Damped Jacobi, Chebyshev, trained roots, MgNet's step and Poly-MgNet's blocks are fillings of one `Relaxation`
(He & Xu 2019, equation 3.6; van Betteray, Rottmann & Kahl 2025, section 3).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from .errors import ArgumentError, whole
from .roots import Roots, factors, leja

TensorMap = Callable[[Tensor], Tensor]  # (B, C, *grid) -> (B, C', *grid')
Slot = nn.Module | Sequence[nn.Module]  # one shared, one a step, or as `Relaxation` says; () for the identity


def residual(A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
    """`f - A u`; `u = None` is the zero of the solution space, whose product is not computed."""
    return f if u is None else f - A(u)


class AbstractCorrection(nn.Module, ABC):
    """B: a map from data space to solution space that may use A."""

    @abstractmethod
    def forward(self, A: TensorMap, r: Tensor) -> Tensor: ...


@final
class MapCorrection(AbstractCorrection):
    """`B r = map(r)`: a convolution, `D^-1`, any map that does not need A."""

    def __init__(self, map: nn.Module) -> None:
        super().__init__()
        self.map = map

    def forward(self, A: TensorMap, r: Tensor) -> Tensor:
        out: Tensor = self.map(r)
        return out


@final
class Factor(AbstractCorrection):
    """`B r = c1 r - c2 A r`, which multiplies the residual by `1 - c1 λ + c2 λ²`.

    A real root ρ is `(1/ρ, None)`; a conjugate pair a ± ib is `(2a/(a²+b²), 1/(a²+b²))`, in real arithmetic.
    `c1`, `c2`: a scalar or a tensor of shape (C, 1, 1), one for each channel; None is zero and costs nothing.
    With `trainable` they are parameters.
    """

    c1: Tensor | None
    c2: Tensor | None

    def __init__(self, c1: float | Tensor | None, c2: float | Tensor | None = None, *, trainable: bool = False) -> None:
        super().__init__()
        if c1 is None and c2 is None:
            raise ArgumentError("c1, c2", got="None, None", expected="at least one coefficient", do="give c1")
        for name, value in (("c1", c1), ("c2", c2)):
            if value is not None and not _all_finite(value):
                raise ArgumentError(name, got=value, expected="finite values", do="a root must not be zero")
            if value is None:
                self.register_buffer(name, None)
            elif trainable:
                self.register_parameter(name, nn.Parameter(_start(value)))
            else:  # float64, so that a float64 solver sees the exact value; a 0-d tensor promotes nothing
                exact = value.clone() if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
                self.register_buffer(name, exact)

    @classmethod
    def root(cls, rho: float | Tensor, *, trainable: bool = False) -> Factor:
        """One real root: `1 - λ/ρ`."""
        return cls(_inverse("rho", rho), trainable=trainable)

    @classmethod
    def pair(cls, a: float | Tensor, b: float | Tensor, *, trainable: bool = False) -> Factor:
        """The conjugate pair a ± ib: `1 - 2a/(a²+b²) λ + λ²/(a²+b²)`."""
        c2 = _inverse("a² + b²", a * a + b * b)
        return cls(2 * a * c2, c2, trainable=trainable)

    def forward(self, A: TensorMap, r: Tensor) -> Tensor:
        if self.c2 is None:
            assert self.c1 is not None
            return self.c1 * r
        if self.c1 is None:
            return -self.c2 * A(r)
        return self.c1 * r - self.c2 * A(r)


@final
class Pair(AbstractCorrection):
    """The conjugate pair a ± ib, its parts trained: `B r = (2a r - A r) / (a² + b²)`, `1 - 2a/(a²+b²) λ + λ²/(a²+b²)`.

    a, b: a scalar or a tensor of shape (C, 1, 1), one for each channel; b may pass through 0, where the two roots are
    one. There b has no gradient, so it never leaves an exact 0: b = None is the double real root a, without b.
    """

    a: Tensor
    b: Tensor | None

    def __init__(self, a: float | Tensor, b: float | Tensor | None) -> None:
        super().__init__()
        for name, value in (("a", a), ("b", b)):
            if value is not None and not _all_finite(value):
                raise ArgumentError(name, got=value, expected="finite values", do="start from a spectrum's roots")
        _inverse("a² + b²", a * a if b is None else a * a + b * b)
        self.a = nn.Parameter(_start(a))
        self.register_parameter("b", None if b is None else nn.Parameter(_start(b)))

    def forward(self, A: TensorMap, r: Tensor) -> Tensor:
        size = self.a.square() if self.b is None else self.a.square() + self.b.square()
        return (2 * self.a * r - A(r)) / size


@final
class Inside(AbstractCorrection):
    """A correction with `map(A r)` for `A r`: no polynomial in A any more."""

    def __init__(self, correction: AbstractCorrection, map: nn.Module) -> None:
        super().__init__()
        self.correction, self.map = correction, map

    def forward(self, A: TensorMap, r: Tensor) -> Tensor:
        def mapped(x: Tensor) -> Tensor:
            out: Tensor = self.map(A(x))
            return out

        out: Tensor = self.correction(mapped, r)
        return out


def _start(value: float | Tensor) -> Tensor:
    """What a parameter starts from: a number in the default dtype, as every parameter."""
    return value.detach().clone() if isinstance(value, Tensor) else torch.tensor(float(value))


def _all_finite(value: float | Tensor) -> bool:
    return bool(value.isfinite().all()) if isinstance(value, Tensor) else math.isfinite(value)


def _inverse(name: str, value: float | Tensor) -> float | Tensor:
    if bool((value == 0).any()) if isinstance(value, Tensor) else value == 0:
        raise ArgumentError(name, got=value, expected="roots other than 0", do="p(0) must be 1")
    return 1 / value


class AbstractSmoother(nn.Module, ABC):
    """Improves u for `A u = f`. An exact solver of the coarsest level is one too."""

    @abstractmethod
    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        """The improved u. f: (B, C_f, *grid); u: (B, C_u, *grid), or None for zero.

        A is there to be applied, no more: it may be a function around the level's operator. A smoother that needs the
        operator's numbers is made with them.
        """


@final
class Relaxation(AbstractSmoother):
    """`u <- tau(u + psi(B(phi(f - A u))))`, `steps` times.

    Each slot holds none, one shared by all steps, one for each step, or a divisor of their number, taken in turns:
    a product of factors that is repeated. A shared module is stored once, so that it stands once in the state dict.
    """

    def __init__(
        self,
        steps: int,
        B: AbstractCorrection | Sequence[AbstractCorrection],
        phi: Slot = (),
        psi: Slot = (),
        tau: Slot = (),
    ) -> None:
        super().__init__()
        whole("steps", steps, do="leave out the smoother")
        self.steps = steps
        self.B = _slot("B", B, steps)
        self.phi = _slot("phi", phi, steps)
        self.psi = _slot("psi", psi, steps)
        self.tau = _slot("tau", tau, steps)
        if len(self.B) == 0:
            raise ArgumentError("B", got="nothing", expected="an AbstractCorrection", do="give Factor(1.0)")

    def correction(self, step: int, A: TensorMap, r: Tensor) -> Tensor:
        """`psi(B(phi(r)))` of one step."""
        if len(self.phi):
            r = _pick(self.phi, step)(r)
        d: Tensor = _pick(self.B, step)(A, r)
        return _pick(self.psi, step)(d) if len(self.psi) else d

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        for step in range(self.steps):
            d = self.correction(step, A, residual(A, u, f))
            u = d if u is None else u + d
            if len(self.tau):
                u = _pick(self.tau, step)(u)
        assert u is not None
        return u


@final
class Scaled(AbstractSmoother):
    """A smoother for `s A u = s f`: with s = 1/diag(A), a polynomial smoother in `D⁻¹A`.

    scale: broadcasts to f. The scaled operator goes to every part of the smoother, complex roots included.
    """

    scale: Tensor

    def __init__(self, smoother: AbstractSmoother, scale: Tensor) -> None:
        super().__init__()
        self.smoother = smoother
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        def scaled(x: Tensor) -> Tensor:
            return self.scale * A(x)

        out: Tensor = self.smoother(scaled, u, self.scale * f)
        return out


def polynomial(roots: Roots, *, trainable: bool = False, **slots: Slot) -> Relaxation:
    """The smoother with residual polynomial `∏ (1 - λ/ρ)`: one factor a step, in Leja order.

    `roots`: real numbers, and complex ones in conjugate pairs. `slots`: phi, psi, tau of `Relaxation`.

    >>> polynomial([1.0, 2 + 1j, 2 - 1j]).steps
    2
    """
    return product(leja(np.asarray(roots)), trainable=trainable, **slots)


def product(roots: Roots, *, trainable: bool = False, **slots: Slot) -> Relaxation:
    """`polynomial` with its factors in the order given, conjugate roots side by side or not."""
    B = [
        Factor.root(p.real, trainable=trainable) if p.imag == 0 else Factor.pair(p.real, p.imag, trainable=trainable)
        for p in factors(roots)
    ]
    return Relaxation(len(B), B, **slots)


_NOTHING = nn.ModuleList()  # in all slots that are empty: to make one takes longer than to make a factor


def _slot(name: str, value: nn.Module | Sequence[nn.Module], steps: int) -> nn.ModuleList:
    if isinstance(value, nn.Module) and not isinstance(value, nn.ModuleList):
        value = [value]
    modules = list(value)
    if not modules:
        return _NOTHING
    if len(set(modules)) == 1 and len(modules) == steps:
        modules = modules[:1]  # one object for every step is a shared one: its keys must not stand twice
    if modules and steps % len(modules):
        raise ArgumentError(
            name,
            got=f"{len(modules)} modules",
            expected=f"none, one or {steps}",
            do="give one for each step, or a divisor of them",
        )
    return nn.ModuleList(modules)


def _pick(slot: nn.ModuleList, step: int) -> nn.Module:
    return slot[step % len(slot)]
