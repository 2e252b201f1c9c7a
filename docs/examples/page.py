"""Write docs/examples/README.md from the records of the examples: python docs/examples/page.py"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1]
sys.path.append(str(DOCS / "benchmarks"))

from tables import source, table  # noqa: E402 (docs/benchmarks)

INTRODUCTION = """# Examples

The V-cycle of MgNet with the way up, `vision.dense_mgnet`, at work on two tasks, each beside what the task is done
with without it. An example is a script: `main` computes and returns its figures, `visualize` draws them, a record goes
to `docs/results` and a picture to `docs/figures`. This page is made from the records by
`python docs/examples/page.py`."""


def read(name: str) -> dict[str, Any]:
    return json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))


def decibel(one: float, other: float) -> str:
    return f"{abs(one - other):.1f} dB {'above' if one > other else 'below'}"


def times(one: dict[str, Any], *others: float) -> str:
    return f"{one['seconds'] / sum(others):.2g} times"


def denoising(result: dict[str, Any]) -> str:
    levels, methods = list(result["psnr"]["noisy"]), result["methods"]
    rows = []
    for name, by_level in result["psnr"].items():
        method = methods.get(name, {})
        seconds = f"{method[levels[-1]]['seconds']:.2g}" if method else ""
        size = (
            [f"{method['weights']:,}", f"{method['multiply_adds_per_pixel']:,.0f}"] if "weights" in method else ["", ""]
        )
        rows.append([name, *(f"{by_level[level]:.2f}" for level in levels), seconds, *size])
    head = ["", *(f"PSNR, σ = {level}/255" for level in levels), "s a photograph", "weights", "multiply-adds a pixel"]
    ours, rival = result["psnr"]["dense_mgnet"], result["psnr"]["plain CNN"]
    filters = {name: by for name, by in result["psnr"].items() if name not in ("noisy", "dense_mgnet", "plain CNN")}
    beside = []
    for level in levels:
        best = max(filters, key=lambda name: filters[name][level])
        versus = f"{decibel(ours[level], filters[best][level])} the best filter ({best})"
        beside.append(f"at σ = {level}/255 {versus} and {decibel(ours[level], rival[level])} the plain network")
    trained, other = methods["dense_mgnet"], methods["plain CNN"]
    height, width = result["shape"][1:]
    low, high = (round(255 * level) for level in result["levels"])
    return "\n\n".join(
        [
            "## Denoising of photographs",
            f"Normal noise on a photograph of {height} x {width} pixels that nothing was trained or tuned on. "
            f"`u = y - σ N(y, σ)`: one V-cycle predicts the noise, for σ from {low}/255 to {high}/255. It and a "
            "chain of 3x3 convolutions of as many weights are trained on one other photograph, "
            f"{trained['seconds']:.0f} processor seconds each ({trained['steps']:,} and {other['steps']:,} steps of "
            f"{result['batch']} recoloured crops of {result['crop']}² pixels); the filters' parameters are those best "
            "on a part of that one. Total variation is minimised by `pde.solve`: each step is a multigrid solve with "
            "a new field.",
            source(result),
            table(head, rows),
            f"dense_mgnet is {'; '.join(beside)}. One run of one seed, judged on one photograph, after two "
            f"minutes of training; a step of the plain network takes {trained['steps'] / other['steps']:.1f} times as "
            "long, so that it made fewer. "
            f"Each was trained with {len(trained['rates'])} learning rates, and is the best of them on the part that "
            f"chose the filters' parameters: {rates(trained)} for dense_mgnet, {rates(other)} for the plain network.",
            "![A window of the photograph at the larger σ: clean, noisy, by four methods](../figures/denoising.png)",
            "Photograph by vultilion, CC BY 2.0, as scikit-learn ships it, with noise added and removed.",
        ]
    )


def rates(method: dict[str, Any]) -> str:
    """The rate chosen, and what each left of the part that chose."""
    found = ", ".join(f"{float(rate):g}: {one['seen']:.2f} dB" for rate, one in method["rates"].items())
    return f"{method['rate']:g} ({found})"


def solution_operator(result: dict[str, Any]) -> str:
    n, kinds, training, starts = result["n"], result["kinds"], result["training"], result["start"]
    first = kinds["as trained on"]
    network, V, fmg, equal = (first[name] for name in ("network", "V", "fmg", "equal cost"))
    errors = [
        [name, f"{k['contrast']:.0f}"]
        + [f"{k[method][what]:.2g}" for what in ("error", "residual") for method in ("network", "V", "fmg")]
        for name, k in kinds.items()
    ]
    head = ["", "contrast", "error: network", "V", "fmg", "residual: network", "V", "fmg"]
    costs = [
        [
            label,
            f"{one['multiply_adds'] / n**2:,.0f}",
            f"{one['multiply_adds'] / V['multiply_adds']:.3g}",
            f"{1e3 * one['seconds']:.3g}",
            f"{one['error']:.2g}",
        ]
        for label, one in (("network", network), ("V-cycle", V), ("full multigrid", fmg))
    ]
    repeated = [[name, *(f"{error:.2g}" for error in line[1:])] for name, line in result["repeated"].items()]
    rates = {name: (line[-1] / line[-5]) ** (1 / 4) for name, line in result["repeated"].items()}
    cg = [
        [name, f"{'' if run['residual'] <= 1e-6 else '> '}{run['iterations']}", f"{run['residual']:.1e}"]
        for name, run in result["cg"].items()
    ]
    return "\n\n".join(
        [
            "## A solution operator in one V-cycle",
            f"`-∇·(a ∇u) = f` on {n}² points, u = 0 on the sides, log a a random smooth field; its contrast, max a / "
            f"min a, is {first['contrast']:.0f} in the median. A network of {result['weights']:,} weights and "
            f"{len(result['channels'])} levels learns (f, a) → u from {training['steps'] * result['batch']:,} "
            f"problems, solved by `pde.solve` as it goes, in {training['seconds'] / 60:.0f} processor minutes. It is "
            "homogeneous in f and in 1/a by construction.",
            source(result),
            "**The classical cycle wins, by far.** On problems like those of the training the network leaves an error "
            f"of {network['error']:.1%}, one V-cycle from zero {V['error']:.1%}, full multigrid {fmg['error']:.2%}. "
            f"The network's multiply-adds buy {equal['bought']} V-cycles; after {equal['run']} the error is "
            f"{equal['error']:.0e}. In seconds, by which large convolutions look better than by multiply-adds, it "
            f"takes {times(network, V['seconds'])} as long as a V-cycle and "
            f"{times(network, fmg['seconds'], first['setup_seconds'])} as long as set-up and full multigrid together.",
            f"Costs of one application; ms for a batch of {result['count']}, set-up of their hierarchies "
            f"({1e3 * first['setup_seconds']:.3g} ms) left out. Other work ran on the machine: times are rough.",
            table(["", "multiply-adds a point", "in V-cycles", "ms", "error"], costs),
            "Errors ‖u - u*‖ / ‖u*‖ and residuals ‖f - A u‖ / ‖f‖, means of problems not seen:",
            table(head, errors),
            "**It does not generalise** to right-hand sides rougher than those of the training, nor to twice as fine a "
            "grid, although all of it is convolutions: it has learned distances in grid points, and its coarsest level "
            "spans half as much. The cycle's figures hardly change. Nor is it linear in f: ‖N(f + g) - N(f) - N(g)‖ is "
            f"{result['nonlinearity']:.0%} of ‖N(f + g)‖.",
            "Repeated, `u <- u + N(f - A u)`, alone and with one smoothing of the classical cycle after each; the "
            "error by iteration:",
            table(["", *map(str, range(1, len(result["repeated"]["V"])))], repeated),
            f"Alone it changes the error by a factor of {rates['network']:.3g} an iteration at last, with smoothing of "
            f"{rates['network and smoothing']:.3g}; the V-cycle of {rates['V']:.3f}. What the network leaves has a "
            "rough residual, unlike any f it has seen. Conjugate gradients (flexible) to 1e-6, preconditioned by it:",
            table(["preconditioner", "iterations", "residual"], cg),
            f"As a start, V-cycles to 1e-8: {starts['network']} from the network's u, {starts['zero']} from zero, "
            f"{starts['fmg']} from full multigrid.",
            "What a network may learn with profit is a part of the cycle, not the whole, such as the roots of its "
            "smoothers ([learned smoothers](../learning.md)): A and the transfers stay the problem's own, and the rate "
            "can be measured.",
            "![A problem, the errors left, errors by cost and by iteration](../figures/solution_operator.png)",
        ]
    )


def page() -> str:
    parts = [INTRODUCTION, denoising(read("denoising")), solution_operator(read("solution_operator"))]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (DOCS / "examples" / "README.md").write_text(page(), encoding="utf-8")
