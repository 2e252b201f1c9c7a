"""Contract kits: call one in a test of your own operator, transfer, smoother, level or multigrid.

Each is a function of plain asserts whose messages say what differs and by how much. `like` is a tensor whose
shape, dtype and device are those of the operator's input: random ones of its kind are drawn, always the same.
Use float64 where you can. Tolerances are relative and follow the dtype, eps^(2/3): 4e-11, 2e-5 in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator

import torch
from torch import Tensor

from .multigrid import AbstractLevel, AbstractMultigrid, State
from .program import Kind
from .smoother import AbstractSmoother, TensorMap, residual

__all__ = [
    "assert_equal",
    "check_adjoint",
    "check_level_equal",
    "check_linear",
    "check_multigrid",
    "check_smoother",
    "check_symmetric_positive",
]


@torch.no_grad()
def assert_equal(name: str, got: Tensor | None, want: Tensor | None, *, rtol: float | None = None) -> None:
    """Same shape, dtype and values, to `rtol` times the largest one wanted. NaN and infinity equal nothing.

    >>> assert_equal("u", torch.tensor([1.0, 2.5]), torch.tensor([1.0, 2.0]))
    Traceback (most recent call last):
    ...
    AssertionError: u: differs by 2.5e-01 relative (allowed 2.4e-05), most at (1,): got 2.5, want 2.0
    """
    if got is None or want is None:
        assert got is want, f"{name}: got {_kind(got)}, want {_kind(want)}"
        return
    assert _kind(got) == _kind(want), f"{name}: got {_kind(got)}, want {_kind(want)}"
    allowed = _tolerance(want) if rtol is None else rtol
    if not want.numel():
        return
    inf = float("inf")
    error = (got - want).abs().nan_to_num(nan=inf, posinf=inf)
    size = max(float(want.abs().nan_to_num(nan=0, posinf=0).max()), torch.finfo(want.dtype).tiny)
    if float(error.max()) > allowed * size:
        at = tuple(int(i) for i in torch.unravel_index(error.argmax(), error.shape))
        raise AssertionError(
            f"{name}: differs by {float(error.max()) / size:.1e} relative (allowed {allowed:.1e}), "
            f"most at {at}: got {got[at].item()}, want {want[at].item()}"
        )


@torch.no_grad()
def check_linear(A: TensorMap, like: Tensor, *, rtol: float | None = None) -> None:
    """`A(a x + b y) = a A(x) + b A(y)`, `A(0) = 0`, and A leaves its input as it was.

    >>> check_linear(lambda x: 3 * x, torch.empty(1, 1, 5, dtype=torch.float64))
    """
    x, y = _random(like, 2)
    before = x.clone()
    image = A(x)
    assert torch.equal(x, before), "A: changes its input in place"
    assert float(A(torch.zeros_like(x)).abs().max()) == 0, "A: A(0) is not zero"
    assert_equal("A: A(2x - 3y)", A(2 * x - 3 * y), 2 * image - 3 * A(y), rtol=rtol)


@torch.no_grad()
def check_symmetric_positive(A: TensorMap, like: Tensor, *, rtol: float | None = None) -> None:
    """`<A x, y> = <x, A y>` and `<x, A x> > 0`.

    >>> check_symmetric_positive(lambda x: 3 * x, torch.empty(1, 1, 5, dtype=torch.float64))
    """
    for x, y in zip(_random(like, 3), _random(like, 3, seed=1), strict=True):
        ax, ay = A(x), A(y)
        _same_product("A: <A x, y> and <x, A y>", (ax, y), (x, ay), rtol)
        energy = float((x * ax).sum())
        assert energy > 0, f"A: <x, A x> = {energy:.3g} is not positive"


@torch.no_grad()
def check_adjoint(
    R: TensorMap, P: TensorMap, fine: Tensor, coarse: Tensor, scale: float = 1.0, *, rtol: float | None = None
) -> None:
    """`P = scale Rᵀ`: `<x, P y> = scale <R x, y>`, x like `fine`, y like `coarse`.

    >>> from unified import StencilConv, StencilTranspose, full_weighting
    >>> R, P = StencilConv(full_weighting(1), stride=2), StencilTranspose(full_weighting(1), scale=2.0)
    >>> check_adjoint(R, P, torch.empty(1, 1, 7).double(), torch.empty(1, 1, 3).double(), scale=2.0)
    """
    (x,), (y,) = _random(fine, 1), _random(coarse, 1, seed=1)
    down, up = R(x), P(y)
    assert down.shape == y.shape, f"R: gives shape {tuple(down.shape)}, want {tuple(y.shape)}"
    assert up.shape == x.shape, f"P: gives shape {tuple(up.shape)}, want {tuple(x.shape)}"
    _same_product(f"P: <x, P y> and {scale:g} <R x, y>", (x, up), (scale * down, y), rtol)


@torch.no_grad()
def check_smoother(
    smoother: AbstractSmoother,
    A: TensorMap,
    like: Tensor,
    *,
    fixed_point: bool = True,
    reduces: float | None = 1.0,
    rtol: float | None = None,
) -> None:
    """Starting from None is starting from zeros; u and f are left as they were; and, where asked for,

    fixed_point: the solution of `A u = f` is left where it is (not so for normalisation, or with tau);
    reduces: one call takes the residual norm of a random error below this multiple of it.

    >>> from unified import polynomial
    >>> check_smoother(polynomial([3.0]), lambda x: 3 * x, torch.empty(1, 1, 5).double(), reduces=1e-12)
    """
    u, exact = _random(like, 2)
    f = A(exact)
    before = u.clone(), f.clone()
    after = smoother(A, u, f)
    assert torch.equal(u, before[0]), "smoother: changes u in place"
    assert torch.equal(f, before[1]), "smoother: changes f in place"
    zeros = smoother(A, torch.zeros_like(u), f)
    assert_equal("smoother: start None against zeros", smoother(A, None, f), zeros, rtol=rtol)
    if fixed_point:
        assert_equal("smoother: at the solution", smoother(A, exact, f), exact, rtol=rtol)
    if reduces is not None:
        factor = float(residual(A, after, f).norm() / residual(A, u, f).norm())
        assert factor < reduces, f"smoother: the residual is multiplied by {factor:.3g}, want below {reduces:g}"


@torch.no_grad()
def check_level_equal(
    level: AbstractLevel,
    reference: AbstractLevel,
    u: Tensor,
    f: Tensor,
    *,
    coarse: tuple[AbstractLevel, Tensor] | None = None,
    kinds: Collection[Kind] = ("pre", "post", "down", "up", "interpolate"),
    rtol: float | None = None,
) -> None:
    """Each of the methods `kinds` of `level` gives what `reference` gives, on random states; f, u0 and, in a
    move between levels, the state left behind are as before.

    u, f: tensors like those of the level's state. coarse: the next level and a tensor like its u; needed by
    down, up and interpolate. States are tried without u, with u, with u0, and with u0 the very tensor u.

    >>> from unified import Level, MapCorrection, Relaxation, polynomial
    >>> A, like = torch.nn.Conv1d(1, 1, 1, bias=False), torch.empty(1, 1, 5)
    >>> level, again = (Level(A, polynomial([2.0, 3.0])) for _ in range(2))
    >>> check_level_equal(level, again, like, like, kinds=["pre"])
    """
    for state in _states(u, f):
        entered = "(" + ", ".join(n for n, x in zip(state._fields, state, strict=True) if x is not None) + ")"
        for kind in kinds:
            name = f"{kind} from {entered}"
            if kind in ("pre", "post", "solve"):
                got, want = getattr(level, kind)(_copy(state)), getattr(reference, kind)(_copy(state))
                _equal_states(name, got, want, rtol)
                continue
            assert coarse is not None, f"{kind}: give coarse=(the next level, a tensor like its u)"
            below, like = coarse
            if kind == "down":
                left = _copy(state)
                got, want = level.down(left, below), reference.down(_copy(state), below)
                _equal_states(f"{name}: the coarse state", got, want, rtol)
                _equal_states(f"{name}: the fine state", left, state, 0.0)
                continue
            for entry in _states(like, like):
                if entry.u is not None:
                    left = _copy(entry)
                    got = getattr(level, kind)(_copy(state), left)
                    _equal_states(name, got, getattr(reference, kind)(_copy(state), _copy(entry)), rtol)
                    _equal_states(f"{name}: the coarse state", left, entry, 0.0)


def check_multigrid(
    mg: AbstractMultigrid, *inputs: Tensor, fresh: AbstractMultigrid | None = None, rtol: float = 0.0
) -> None:
    """Evaluating twice gives the same finite numbers; all parameters get a gradient; the state dict, where no
    storage stands twice, carries all: loaded into `fresh` it gives the same output.

    fresh: the same network made anew, with other weights; without it, a copy whose state is overwritten.
    It works on copies: mg keeps its mode, its gradients and its running statistics.
    """
    mg = copy.deepcopy(mg)
    state = mg.state_dict()
    places: dict[tuple[object, ...], str] = {}
    for key, value in state.items():
        place = (value.device, value.untyped_storage().data_ptr(), value.storage_offset())
        other = places.setdefault(place, key) if value.numel() else key
        assert other == key, f"state_dict: {other} and {key} share one storage"
    fresh = copy.deepcopy(mg if fresh is None else fresh)
    with torch.no_grad():
        out, again = mg.eval()(*inputs), mg(*inputs)
        assert out.isfinite().all(), f"forward: {int((~out.isfinite()).sum())} of {out.numel()} values not finite"
        assert_equal("forward: the second time", again, out, rtol=rtol)
        for value in fresh.state_dict().values():
            value.copy_(torch.full_like(value, 0.5) if value.is_floating_point() else torch.zeros_like(value))
        fresh.load_state_dict(copy.deepcopy(state))
        assert_equal("state_dict: forward after a round trip", fresh.eval()(*inputs), out, rtol=rtol)
    if not any(p.requires_grad for p in mg.parameters()):
        return
    mg.train().zero_grad()
    out = mg(*inputs)
    (cotangent,) = _random(out, 1)
    out.backward(cotangent)
    for key, p in mg.named_parameters():
        if p.requires_grad:
            assert p.grad is not None, f"gradient: {key} gets none: it is not used"
            assert p.grad.isfinite().all(), f"gradient: {key}: not finite"
            assert p.grad.any(), f"gradient: {key}: zero throughout"


def _kind(x: Tensor | None) -> str:
    return "None" if x is None else f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"


def _tolerance(x: Tensor) -> float:
    return float(torch.finfo(x.dtype).eps ** (2 / 3))


def _random(like: Tensor, n: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)  # drawn on the CPU: the same on every device
    return [torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like) for _ in range(n)]


def _same_product(name: str, one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor], rtol: float | None) -> None:
    """Two scalar products are equal, relative to the product of the norms."""
    a, b = (float((x * y).sum()) for x, y in (one, two))
    size = max(float(x.norm() * y.norm()) for x, y in (one, two))
    allowed = _tolerance(one[0]) if rtol is None else rtol
    assert abs(a - b) <= allowed * size, (
        f"{name}: {a:.9g} and {b:.9g}, {abs(a - b) / size:.1e} of the norms apart (allowed {allowed:.1e})"
    )


def _states(u: Tensor, f: Tensor) -> Iterator[State]:
    (v, u0), (g,) = _random(u, 2), _random(f, 1, seed=1)
    yield State(None, g)
    yield State(v, g)
    yield State(v, g, u0)
    yield State(v, g, v)


def _copy(state: State) -> State:
    """A copy that a level may spoil; where u0 is u, so it is in the copy."""
    u = None if state.u is None else state.u.clone()
    same = state.u0 is state.u
    return State(u, state.f.clone(), u if same else None if state.u0 is None else state.u0.clone())


def _equal_states(name: str, got: State, want: State, rtol: float | None) -> None:
    for field, a, b in zip(State._fields, got, want, strict=True):
        assert_equal(f"{name}: {field}", a, b, rtol=rtol)
