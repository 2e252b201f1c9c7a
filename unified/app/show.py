"""Draw in the terminal: a cycle, a hierarchy of levels, a model, or the list of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from ..errors import ArgumentError


@dataclass(frozen=True)
class Options:
    what: Positional[Literal["cycle", "hierarchy", "model", "models"]]
    """What to draw."""
    name: Positional[str] = ""
    """Of a cycle: V, W, F, fmg or backslash. Of a model: see `vcycle models`."""
    levels: int = 4
    """Levels of a cycle."""
    shape: tuple[int, int] = (255, 255)
    """Interior points of the finest level of a hierarchy."""
    image: tuple[int, int, int] = (3, 32, 32)
    """Channels, height and width of a model's images."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    report = {"cycle": _cycle, "hierarchy": _hierarchy, "model": _model, "models": _models}[options.what](options)
    return {"what": options.what, **report}


def _cycle(options: Options) -> dict[str, Any]:
    from ..program import draw, named, work_units

    if options.levels > 12:  # a W-cycle doubles with every level
        raise ArgumentError("levels", got=options.levels, expected="12 at most", do="see unified.cycle for more")
    program = named(options.name or "V", options.levels)
    ops, cost = [str(op) for op in program], work_units(program)
    legend = "o smooth down, * smooth up, # solve, \\ restrict, / prolong and correct, : interpolate"
    price = f"{cost:.3g} work units with one smoothing step each, in 2-D"
    return {"ops": ops, "work_units": cost, "text": "\n\n".join([draw(program), " ".join(ops), f"{legend}\n{price}"])}


def _hierarchy(options: Options) -> dict[str, Any]:
    import pde

    mg = pde.multigrid(pde.Poisson(options.shape), program=options.name or "V")
    return {"text": repr(mg), "levels": len(mg.levels)}


def _model(options: Options) -> dict[str, Any]:
    import vision

    from ..multigrid import AbstractMultigrid
    from ..program import draw

    if not options.name:
        raise ArgumentError("name", got="nothing", expected="a model's name", do="vcycle models lists them")
    model = vision.create_model(options.name, in_channels=options.image[0])
    weights, work = vision.count_weights(model), vision.multiply_adds(model, options.image)
    cost = (
        f"{weights:,} weights, {work / 1e9:.3g} G multiply-adds for an image of {' x '.join(map(str, options.image))}"
    )
    drawing = [draw(model.program)] if isinstance(model, AbstractMultigrid) else []
    return {
        "weights": weights,
        "multiply_adds": work,
        "text": "\n\n".join([f"{options.name}: {cost}", *drawing, vision.describe(model)]),
    }


def _models(options: Options) -> dict[str, Any]:
    from . import models

    report = models.run(models.Options(options.image))
    return {**report, "text": models.text(report)}


def text(report: dict[str, Any]) -> str:
    return report["text"]
