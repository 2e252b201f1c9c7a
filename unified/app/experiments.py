"""The demo's measurements: each returns JSON values (and what the figures need besides)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..multigrid import State
from ..program import cycle, draw, fmg, work_units
from ..smoother import residual
from . import dualities, editing, photographs

SMOOTHER, DEGREE, RTOL = "chebyshev4", 2, 1e-8


def poisson(sizes: list[int], one_level: list[int], work: int) -> dict[str, Any]:
    """h-independence: V-cycles on n² points for each size, and damped Jacobi alone on some, for `work` products."""
    rows = [_size(n) for n in sizes]
    for coarse, fine in pairwise(rows):
        fine["order"] = float(torch.tensor(coarse["error"] / fine["error"]).log2())
    return {
        "smoother": SMOOTHER,
        "degree": DEGREE,
        "rtol": RTOL,
        "sizes": rows,
        "one_level": [{"n": n, "residuals": _jacobi(n, work)} for n in one_level],
    }


def _problem(n: int) -> tuple[Any, Tensor, Tensor]:
    """-Δu = f with u = x(1-x) e^x sin πy: the problem, f and the exact u, (n, n)."""
    import pde

    problem = pde.Poisson((n, n))
    x, y = problem.grid()
    across = torch.exp(x) * torch.sin(torch.pi * y)
    return problem, (3 * x + x**2 + torch.pi**2 * (x - x**2)) * across, (x - x**2) * across


@torch.no_grad()
def _size(n: int) -> dict[str, Any]:
    import pde

    problem, f, exact = _problem(n)
    mg = pde.multigrid(problem, smoother=SMOOTHER, degree=DEGREE)
    solution = pde.solve(problem, f, mg=mg, method="mg", rtol=RTOL)
    tight = pde.solve(problem, f, mg=mg, u0=solution.u, rtol=1e-10)  # the discretisation error, without the solver's
    start = mg.with_program(fmg(len(mg.levels), cycles=2))(f.expand(1, 1, n, n))[0, 0]
    error = float((tight.u - exact).abs().max())
    return {
        "n": n,
        "unknowns": problem.unknowns,
        "levels": len(mg.levels),
        "level": solution.level,
        "cycles": solution.cycles,
        "rate": solution.rate,
        "residuals": list(solution.residuals),
        "work": work_units(mg.program, steps=DEGREE),
        "seconds": sum(solution.seconds.values()),
        "error": error,
        "fmg_work": work_units(fmg(len(mg.levels), cycles=2), steps=DEGREE),
        "fmg_error": float((start - exact).abs().max()) / error,
    }


@torch.no_grad()
def _jacobi(n: int, work: int) -> list[float]:
    """Relative residuals before and after each of `work` steps of damped Jacobi on the finest level alone."""
    import pde

    problem, f, _ = _problem(n)
    level: Any = pde.multigrid(problem, smoother="jacobi", degree=1, level="composed").levels[0]
    state = State(None, f.expand(1, 1, n, n))
    norms = [1.0]
    for _ in range(work):
        state = level.pre(state)
        norms.append(float(residual(level.A, state.u, state.f).norm() / f.norm()))
    return norms


def cloning(reduction: int = 1) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The photographs: numbers, and the pictures (3, H, W)."""
    scene = photographs.scene(reduction)
    picture, solution = editing.clone(scene.target, scene.source, scene.own, scene.mixed)
    _, h, w = picture.shape
    numbers = {
        "interior": [h - 2, w - 2],
        "channels": 3,
        "unknowns": 3 * (h - 2) * (w - 2),
        "blossoms": len(photographs.BLOSSOMS),
        "strength": photographs.STRENGTH,
        "method": solution.method,
        "level": solution.level,
        "result": solution.result.name,
        "cycles": solution.cycles,
        "rate": solution.rate,
        "residuals": list(solution.residuals),
        "seconds": sum(solution.seconds.values()),
        "clipped": float(((picture < 0) | (picture > 1)).double().mean()),
    }
    _, flower = photographs.photographs()
    height, width = photographs.SHAPE
    return numbers, {"source": flower[:, :height, :width], "pasted": scene.pasted, "clone": picture}


MODELS = {
    "MgNet": ("mgnet-16", {"steps": [2, 2, 2]}),
    "Poly-MgNet q2": ("polymgnet-q2", {"steps": [2, 2, 2], "channels": [16, 32, 32]}),
}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small networks are almost as fast with one, and fifty times as slow with a second that waits for a busy core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def digits(seed: int, epochs: int, images: int | None = None) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Both classifiers on the digits: numbers, the trained models, the data. images: training images, None for all."""
    import vision

    data = vision.load("digits")
    if images is not None:
        data = data.subset(images)
    config = vision.TrainConfig(epochs=epochs, lr=0.1, seed=seed, precision="float32", device="cpu")
    rows, models = [], {}
    for label, (name, options) in MODELS.items():
        torch.manual_seed(seed)  # the initial weights
        model = vision.create_model(name, in_channels=1, classes=len(data.classes), **options)
        with _one_thread():
            result = vision.fit(model, data, config, progress=False)
        models[label] = result.model
        rows.append(
            {
                "label": label,
                "name": name,
                "options": options,
                "weights": vision.count_weights(model),
                "accuracy": result.test_accuracy,
                "seconds": result.seconds,
                "history": [
                    {key: record[key] for key in ("epoch", "loss", "accuracy", "valid_accuracy")}
                    for record in result.history
                ],
                "predictions": _logits(result.model, data).argmax(1).tolist(),
            }
        )
    numbers = {
        "train": len(data.train_labels),
        "test": len(data.test_labels),
        "image": list(data.image_shape[1:]),
        "seed": seed,
        "epochs": epochs,
        "batch": config.batch_size,
        "lr": config.lr,
        "labels": data.test_labels.tolist(),
        "models": rows,
    }
    return numbers, models, data


def _images(data: Any, dtype: torch.dtype) -> Tensor:
    """The test images as the networks take them: (N, 1, 8, 8)."""
    from vision.augment import normalise

    return normalise(data.test_images, data.mean, data.std, dtype)


@torch.no_grad()
def _logits(model: Any, data: Any) -> Tensor:
    return model(_images(data, torch.float32))


SMOOTHERS: dict[str, tuple[Any, int]] = {
    "Chebyshev, 4th kind, degree 2": ("chebyshev4", 2),
    "Chebyshev, 1st kind, degree 3": ("chebyshev1", 3),
    "damped Jacobi, two steps": ("jacobi", 2),
    "given roots 0.9 and 0.3 ± 0.2i": ([0.9, 0.3 + 0.2j, 0.3 - 0.2j], 3),
}


def both_dualities(n: int, models: dict[str, Any], data: Any) -> dict[str, Any]:
    """A network that is the solver on n² points, a ResNet that is the trained network; and the programs, drawn."""
    import pde

    problem, f, _ = _problem(n)
    f = torch.randn(2, 1, n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    solver = []
    for label, (smoother, degree) in SMOOTHERS.items():
        mg = pde.multigrid(problem, smoother=smoother, degree=degree, level="composed")
        solver.append({"smoother": label, "levels": dualities.solver_difference(mg, f)})
    resnet = [
        {
            "label": label,
            "float32": dualities.resnet_difference(model.float(), _images(data, torch.float32)),
            "float64": dualities.resnet_difference(copy.deepcopy(model).double(), _images(data, torch.float64)),
        }
        for label, model in models.items()
    ]
    network = next(iter(models.values()))
    depth = len(network.levels)
    descent = pde.multigrid(pde.Poisson((2**depth - 1,) * 2), program="backslash", coarsest=1)
    programs = {"V": cycle("V", 4), "W": cycle("W", 4), "F": cycle("F", 4), "FMG": fmg(4)}
    return {
        "n": n,
        "solver": solver,
        "resnet": resnet,
        "images": len(data.test_labels),
        "same_program": descent.program == network.program,
        "program": " ".join(map(str, network.program)),
        "drawing": draw(network.program),
        "cycles": {
            name: {"drawing": draw(ops), "work": work_units(ops, steps=DEGREE)} for name, ops in programs.items()
        },
    }
