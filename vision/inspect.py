"""What is inside a trained network: each level's spectrum and roots, its states, and what smoothing leaves of f."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unified.errors import ArgumentError, whole
from unified.multigrid import Level
from unified.smoother import AbstractCorrection, MapCorrection, Relaxation, TensorMap, residual

from .augment import normalise
from .checkpoint import bare, weights_checksum
from .data import ImageData, Split
from .device import model_device, running
from .models import create_model
from .network import MgNet
from .polynomial import Polynomial, coefficients, residual_polynomial_of
from .resnet import PreActivationBlock, ResNet, as_mgnet
from .symbols import Frequencies, eigenvalues, frequencies, kernel, symbols

_BATCH = 50
SHOWN = 5  # images whose states are kept


@dataclass(frozen=True, eq=False)
class Spectra:
    """Of a level without bn and relu, at the level's `at`; None for what it has not."""

    A: NDArray[np.complex128] | None  # eigenvalues; A must be square and linear
    polynomial: Polynomial | None  # q, of a smoother whose B are polynomials in A
    smoothing: NDArray[np.complex128] | None  # eigenvalues of ∏ (I - A B), over all steps: q(λ), if there is one q

    def as_dict(self) -> dict[str, Any]:
        """As JSON values: no eigenvalues, but what they span, and the roots of each polynomial."""
        found: dict[str, Any] = {}
        if self.A is not None:
            real = self.A.real
            found |= {"radius": float(abs(self.A).max()), "real": [float(real.min()), float(real.max())]}
            found |= {"imaginary": float(self.A.imag.max())}
        if self.polynomial is not None:
            found["roots"] = [[[z.real, z.imag] for z in roots.tolist()] for roots in self.polynomial.roots]
        if self.smoothing is not None:
            found["smoothing_radius"] = float(abs(self.smoothing).max())
        return found


@dataclass(frozen=True, eq=False)
class InspectedLevel:
    """A level: u is of shape (N, channels[0], *grid), f of (N, channels[1], *grid)."""

    grid: tuple[int, int]
    channels: tuple[int, int]
    steps: int
    linear: bool  # else the spectra are those of A without its relu
    at: Frequencies
    before: Spectra | None
    after: Spectra
    residuals: Tensor  # (N, steps + 1), float64: |f - A u| / |f| before the first step and after each
    states: dict[str, Tensor]  # of the images shown: f, r = f - A u after smoothing; u0, u before and after it

    def quartiles(self) -> NDArray[np.float64]:
        """(3, steps + 1): lower quartile, median and upper quartile of the residuals over the images."""
        return np.quantile(self.residuals.numpy(), [0.25, 0.5, 0.75], axis=0)

    def as_dict(self) -> dict[str, Any]:
        lower, median, upper = self.quartiles().tolist()
        return {
            "grid": list(self.grid),
            "channels": list(self.channels),
            "steps": self.steps,
            "linear": self.linear,
            "frequencies": {"grid": list(self.at.grid), "computed": len(self.at.index)},
            "before": None if self.before is None else self.before.as_dict(),
            "after": self.after.as_dict(),
            "residuals": {"lower_quartile": lower, "median": median, "upper_quartile": upper},
        }


@dataclass(frozen=True, eq=False)
class Inspection:
    """What `inspect` found; `vision.plot_spectra` and its kind draw it."""

    model: str
    data: str
    images: Tensor  # (N, C, H, W) uint8: those shown
    count: int  # of those that the residuals are of
    levels: list[InspectedLevel]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values: all but images and states."""
        levels = [{"level": i, **level.as_dict()} for i, level in enumerate(self.levels)]
        return {"model": self.model, "data": self.data, "images": self.count, "levels": levels}


def initial_model(meta: Mapping[str, Any]) -> nn.Module | None:
    """The model of a checkpoint's note before training: a fresh one with the run's seed, as `vcycle train` starts it.

    None, if that has other weights than the note says training started from: those of another seed, or of another
    processor's arithmetic.
    """
    known, seed = meta["model"], meta.get("config", {}).get("seed", 0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = create_model(known["name"], **known.get("options", {}))
    return model if meta.get("initial") in (None, weights_checksum(model)) else None


def inspect(
    model: nn.Module,
    data: ImageData,
    *,
    before: nn.Module | None = None,
    images: int = 100,
    split: Split = "test",
) -> Inspection:
    """Look into an MgNet, a Poly-MgNet, their data-space forms, or a pre-activation ResNet (as `as_mgnet` reads it).

    Per level: A's eigenvalues on a periodic grid (exact; of a sample of the frequencies where there are very many),
    the roots of the smoother's polynomial, the eigenvalues of its smoothing without bn and relu, and, with them, how
    its steps reduce |f - A u| / |f| on `images` images, evenly chosen. before: the model before training, to compare.

    Raises ArgumentError for networks without levels.
    """
    whole("images", images, do="use images=100")
    network = _network(model)
    earlier = None if before is None else _network(before)
    every, _ = data.part(split)
    some = every[torch.linspace(0, len(every) - 1, min(images, len(every))).long()]
    levels = []
    with running(network, model_device(network), "float32"):
        for i, (norms, states) in enumerate(_run(network, data, some)):
            part = network.levels[i]
            (u, h, w), f = states["u"].shape[1:], states["f"].shape[1]
            at = frequencies((h, w), max(u, f))
            levels.append(
                InspectedLevel(
                    (h, w),
                    (u, f),
                    part.pre_smoother.steps,
                    not any(isinstance(module, nn.ReLU) for module in part.A.modules()),
                    at,
                    None if earlier is None else _spectra(earlier.levels[i], u, f, at),
                    _spectra(part, u, f, at),
                    norms,
                    states,
                )
            )
    recipe: Any = getattr(bare(model), "recipe", None)
    name = recipe["name"] if recipe else type(bare(model)).__name__
    return Inspection(name, data.name, some[:SHOWN].cpu(), len(some), levels)


def _network(model: nn.Module) -> MgNet:
    """The u-form of the model, of the same modules."""
    model = bare(model)
    if isinstance(model, ResNet) and all(isinstance(block, PreActivationBlock) for block in model.blocks):
        model = as_mgnet(model)
    if not isinstance(model, MgNet):
        raise ArgumentError(
            "model",
            got=f"a {type(model).__name__}, which has no levels on a way down",
            expected="an MgNet, a Poly-MgNet or a pre-activation ResNet",
            do="see vision.MODELS",
        )
    levels = [form if isinstance(form, Level) else form.level for form in model.levels]
    for i, level in enumerate(levels):
        if not isinstance(level.pre_smoother, Relaxation):
            got = type(level.pre_smoother).__name__
            raise ArgumentError(f"levels[{i}].pre_smoother", got=got, expected="a Relaxation", do="use polymgnet")
    return MgNet(model.stem, levels, model.head, smallest=model.smallest)


def _run(network: MgNet, data: ImageData, images: Tensor) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Of each level the residual norms of all images, and the states of the first."""
    device = model_device(network)
    norms: list[list[Tensor]] = [[] for _ in network.levels]
    shown: list[dict[str, Tensor]] = []
    for batch in images.split(_BATCH):
        x = normalise(batch.to(device), data.mean.to(device), data.std.to(device))
        for level, state, found in zip(network.levels, network.run(network.encode(x)), norms, strict=True):
            size = _norms(state.f).clamp(min=torch.finfo(torch.float64).tiny)
            r = [residual(level.A, u, state.f) for u in (state.u0, *_steps(level.pre_smoother, level.A, state))]
            found.append(torch.stack([_norms(one) / size for one in r], dim=1).cpu())
            if len(shown) < len(network.levels):
                start = torch.zeros_like(state.u) if state.u0 is None else state.u0
                parts = {"f": state.f, "r": r[-1], "u0": start, "u": state.u}
                shown.append({name: part[:SHOWN].float().cpu() for name, part in parts.items()})
    return [(torch.cat(found), states) for found, states in zip(norms, shown, strict=True)]


def _steps(smoother: Relaxation, A: TensorMap, state: Any) -> Iterator[Tensor]:
    """u after each step from u0: the smoother, one step at a time."""
    u = state.u0
    for i in range(smoother.steps):
        slots = (smoother.B, smoother.phi, smoother.psi, smoother.tau)
        u = Relaxation(1, *([slot[i % len(slot)]] if len(slot) else [] for slot in slots))(A, u, state.f)
        yield u


def _norms(x: Tensor) -> Tensor:
    return x.double().flatten(1).norm(dim=1)


def _spectra(level: Level, u: int, f: int, at: Frequencies) -> Spectra:
    smoother: Any = level.pre_smoother
    polynomial, K = residual_polynomial_of(smoother), kernel(level.A, u)
    if K is None:
        return Spectra(None, polynomial, None)
    A = symbols(K, at)
    values = eigenvalues(A, at) if u == f else None
    if polynomial is not None and values is not None and polynomial.c1.shape[1] == 1:
        return Spectra(values, polynomial, polynomial(values)[0])
    E = torch.eye(f, dtype=A.dtype).expand(len(at.index), f, f)
    corrections: dict[nn.Module, Tensor | None] = {B: _symbols(B, A, f, at) for B in smoother.B}
    for step in range(smoother.steps):
        B = corrections[smoother.B[step % len(smoother.B)]]
        if B is None:
            return Spectra(values, polynomial, None)
        E = E - A @ (B @ E)
    return Spectra(values, polynomial, eigenvalues(E, at))


def _symbols(B: AbstractCorrection, A: Tensor, f: int, at: Frequencies) -> Tensor | None:
    """(F, C_u, C_f) of a correction; None for one that is not linear."""
    if isinstance(B, MapCorrection):
        K = kernel(B.map, f)
        return None if K is None else symbols(K, at)
    pair = coefficients(B)
    if pair is None:
        return None
    c1, c2 = (torch.diag_embed(c.expand(f)).to(A.dtype) for c in pair)
    return c1 - c2 @ A
