"""Write docs/results/README.md from the JSON files beside it: python docs/benchmarks/tables.py"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from markup import source, table
from record import RESULTS
from tables_vision import classifiers, compared, training


def rates(result: dict[str, Any]) -> str:
    sizes = [str(n) for n in result["sizes"]]
    results = result["results"]

    def factors(definition: str) -> str:
        rows = [
            [name, *(f"{row[n][definition]:.3f}" if n in row else "" for n in sizes)]
            for name, row in results.items()
            if not name.startswith(("pcg", "fmg"))
        ]
        return table(["cycle", *(f"{n}²" for n in sizes)], rows)

    pcg = [
        [f"f {kind}", *(str(results["pcg, V"][n][key]["iterations"]) for n in sizes)]
        for kind, key in (("random", "random_f"), ("constant", "smooth_f"))
    ]
    nested = []
    for boundary, k in itertools.product(("zero boundary", "given boundary"), (1, 2, 3)):
        errors = [f"{results['fmg, V'][n][boundary][f'cycles_{k}']:.2f}" for n in sizes]
        nested.append([f"{boundary}, {k} cycle{'s' * (k > 1)} a level", *errors])
    scan = result["V, chebyshev1 of degree 2, asymptotic by lo"]
    return "\n\n".join(
        [
            "## Rates of the Poisson solver",
            source(result),
            "Mean reduction of the residual a cycle, over a solve from zero to 1e-10 with a random f. Degree k is the "
            "smoother's, before and after the coarse correction: V(k, k).",
            factors("random_f"),
            "The same with f = 1.",
            factors("smooth_f"),
            "Asymptotic: the spectral radius of the error's propagation.",
            factors("asymptotic"),
            "The asymptotic factor of first-kind Chebyshev of degree 2 on [lo, 1] λmax.",
            table(["lo", *scan], [["factor", *(f"{value:.3f}" for value in scan.values())]]),
            "Iterations of conjugate gradients to 1e-10, preconditioned by V with chebyshev4 of degree 2.",
            table(["", *(f"{n}²" for n in sizes)], pcg),
            "Total error of full multigrid as a multiple of the discretisation error (root mean square).",
            table(["", *(f"{n}²" for n in sizes)], nested),
        ]
    )


def orders(result: dict[str, Any]) -> str:
    def measured(ndim: int, order: int) -> str:
        rows = [row for row in result["orders"] if row["order"] == order and len(row["grid"]) == ndim]
        names = list(dict.fromkeys(row["coefficients"] for row in rows))
        cells: dict[str, dict[str, str]] = {}
        for row in rows:
            observed = row["observed"]
            text = f"{observed['rms']:.2f}, {observed['max']:.2f}" + "*" * row["logarithmic"]
            cells.setdefault(row["sides"], {})[row["coefficients"]] = text
        return table(["sides", *names], [[sides, *(row[name] for name in names)] for sides, row in cells.items()])

    starts = [
        [
            f"{row['sides']}, {row['coefficients']}, order {row['order']}",
            " x ".join(map(str, row["grid"])),
            f"{row['discretisation_error']['rms']:.1e}",
            *(f"{rms:.3g}, {largest:.3g}" for rms, largest in zip(row["rms"][:3], row["max"][:3], strict=True)),
        ]
        for row in result["fmg"]
    ]
    return "\n\n".join(
        [
            "## Orders of accuracy",
            source(result),
            "By manufactured solutions with inhomogeneous data on all sides, of the root mean square error and of the "
            "largest one. D is a Dirichlet, N a Neumann, P a periodic side: DN-PP has Dirichlet and Neumann sides "
            "along the first axis, and is periodic along the second.",
            "*: two Neumann sides with fluxes meet where a, given by cells, has a slope; the largest error is then "
            "O(h² log 1/h).",
            *(
                f"Order {order}, {ndim}-D:\n\n{measured(ndim, order)}"
                for order, ndim in itertools.product((2, 4), (1, 2, 3))
            ),
            "The error of the start by full multigrid as a multiple of the discretisation error, root mean square and "
            "largest; and after one and two cycles more.",
            table(["problem", "grid", "discretisation error", "start", "one cycle more", "two"], starts),
        ]
    )


def identities(result: dict[str, Any]) -> str:
    rows = [
        [f"FAS and correction form, {kind}", f"{d:.1e}"]
        for kind, d in result["FAS against the correction form"].items()
    ]
    worst = result["network against solver, the worst level"]
    rows += [[f"network and solver, {name}", f"{d:.1e}"] for name, d in worst.items()]
    for name, by_dtype in result["network against its data-space form"].items():
        rows += [[f"{name} and its data-space form, {dtype}", f"{d:.1e}"] for dtype, d in by_dtype.items()]
    head = ["equal", "relative difference"]
    note = f"The solver's on {result['size']}² points; in float64 where no dtype is named."
    return "\n\n".join(["## Identities", source(result), note, table(head, rows)])


def startup(result: dict[str, Any]) -> str:
    rows = [[f"`{name}`", f"{t['median']:.2f}", f"{t['worst']:.2f}"] for name, t in result["seconds"].items()]
    head = ["command", "median, s", "worst, s"]
    return "\n\n".join(
        ["## Start of the command line", source(result), f"{result['repeats']} runs each.", table(head, rows)]
    )


def learned(result: dict[str, Any]) -> str:
    rows = [
        [
            family,
            str(row["degree"]),
            row["best"],
            f"{row['classical']:.3f}",
            f"{row['learned']:.3f}",
            f"{row['sweep_a_pass']:.3f}",
            str(row["pcg_classical"]),
            str(row["pcg_learned"]),
            f"{row['seconds']:.0f}",
        ]
        for family, family_rows in result["results"].items()
        for row in family_rows
    ]
    head = ["family", "passes", "best classical", "factor", "learned", "a sweep a pass", "pcg", "pcg, learned", "s"]
    note = (
        "Asymptotic factors of V-cycles with so many passes (products with A) before and after the coarse correction, "
        "and iterations of conjugate gradients to 1e-10. Both choices are made on 63² points, 15³ in 3-D, and measured "
        "on 127² and 31³, with coefficient fields that are new. A sweep of red-black Gauss-Seidel counts as two passes "
        "or more, as it is computed here; *a sweep a pass* counts it as one. s: to train."
    )
    return "\n\n".join(["## Learned smoothers", source(result), note, table(head, rows)])


def shapes(result: dict[str, Any]) -> str:
    def name(row: dict[str, Any]) -> str:
        return " x ".join(map(str, row["shape"]))

    def by_boundary(rows: list[dict[str, Any]], label: Callable[[dict[str, Any]], str]) -> str:
        sides = list(dict.fromkeys(row["boundary"] for row in rows))
        cells: dict[str, dict[str, float]] = {}
        for row in rows:
            line = cells.setdefault(label(row), {})
            line[row["boundary"]] = max(row["asymptotic"], line.get(row["boundary"], 0))
        return table(["", *sides], [[text, *(f"{line[s]:.3f}" for s in sides)] for text, line in cells.items()])

    powers = [
        [name(row), f"{row['asymptotic']:.3f}", f"{row['random_f']:.3f}", str(row["cycles"])]
        for row in result["reference"]
    ]
    return "\n\n".join(
        [
            "## Any shape, any anisotropy",
            source(result),
            "The default cycle, V(1,1) with the fourth-kind Chebyshev smoother of degree 2; asymptotic factors. "
            "Mixed sides: Dirichlet and Neumann along the first axis, periodic, Neumann.",
            "The measure, 2^k - 1 points and Dirichlet sides:",
            table(["", "asymptotic", "over a solve, random f", "cycles to 1e-10"], powers),
            "Shapes, of square cells or filling the unit box (which makes them anisotropic):",
            by_boundary(result["shapes"], lambda row: f"{name(row)}, {row['cells']}"),
            f"Small shapes, all pairs of {', '.join(map(str, result['small shapes'][0]['by_second_size']))} points: "
            f"the worst factor is {result['worst']['small shapes']['asymptotic']:.3f}.",
            "Anisotropy, the ratio of the couplings a/h² of the axes; the worst of one axis strong, all but one, and "
            "all different, by a or by spacing:",
            by_boundary(result["anisotropies"], lambda row: f"{name(row)}, {max(row['couplings']):g}"),
        ]
    )


def jumps(result: dict[str, Any]) -> str:
    def text(run: dict[str, Any] | None) -> str:
        if run is None:
            return ""
        times = f" ({run['setup']:.1f} + {run['solve']:.1f} s)"
        return ("> 49" if run["iterations"] >= 50 else str(run["iterations"])) + times

    parts = []
    for size, cases in result["results"].items():
        methods = list(dict.fromkeys(name for runs in cases.values() for name in runs))
        rows = [[case, *(text(runs.get(name)) for name in methods)] for case, runs in cases.items()]
        parts += [f"{size}:", table(["", *methods], rows)]
    note = (
        "Coefficients of 1 and 10⁶ (checkerboards by the cells of a block; inclusions of 10⁶ in 1, or the other way; "
        "random by the share of 10⁶; log-uniform between): iterations of conjugate gradients to 1e-8, and seconds of "
        "set-up and solve on one thread. *Ours, grids alone* coarsens by grids to the end. Ruge-Stüben and smoothed "
        "aggregation are PyAMG's, as they come."
    )
    return "\n\n".join(["## Jumps of 10⁶", source(result), note, *parts])


def speed(result: dict[str, Any]) -> str:
    def grid(case: dict[str, Any]) -> str:
        return " x ".join(map(str, case["shape"]))

    def row(name: str, entrant: dict[str, Any]) -> list[str]:
        seconds, ratio = entrant["seconds"], entrant["against"].get("ours")
        return [
            name,
            f"{seconds['setup']:.3g}",
            f"{seconds['solve']:.3g}",
            f"{seconds['total']:.3g} ({seconds['min']:.3g} to {seconds['max']:.3g})",
            f"{entrant['in_copies']['total']:,.1f}",
            f"{ratio['total']:.3g}" if ratio else "",
            f"{ratio['solve']:.3g}" if ratio else "",
            str(entrant["iterations"] or ""),
            f"{entrant['residual']:.0e}",
            f"{entrant['error']:.3f}" if "error" in entrant else "",
        ]

    head = ["", "set-up, s", "solve, s", "both, s", "in copies", "x ours", "solve alone x ours"]
    head += ["iterations", "residual", "error"]
    parts = []
    for case in result["cases"].values():
        what = f"{'-Δu' if case['a'] == '1' else '-∇·(a ∇u)'} = f, {case['f']} f, {grid(case)}; a copy takes"
        parts += [f"{what} {case['copy'] * 1e3:.3g} ms ({case['copy_min'] * 1e3:.3g} to {case['copy_max'] * 1e3:.3g}):"]
        parts += [table(head, [row(name, entrant) for name, entrant in case["entrants"].items()])]
    if result["growth"]:
        names = list(result["growth"][0]["entrants"])
        per = [[case["entrants"][name]["nanoseconds_per_unknown"] for case in result["growth"]] for name in names]
        rows = [[name, *(f"{x:.3g}" for x in line)] for name, line in zip(names, per, strict=True)]
        parts += ["Nanoseconds per unknown:", table(["", *map(grid, result["growth"])], rows)]
    if result["memory"]:
        used = [
            [f"{key}: {name}", f"{arrays:.1f}" if isinstance(arrays, float) else "unknown"]
            for key, by_name in result["memory"].items()
            for name, arrays in by_name.items()
        ]
        parts += ["Peak memory in arrays of the fine grid, beyond u and f:", table(["", "arrays"], used)]
    note = (
        "Set-up and solve to a relative residual of 1e-8, but for full multigrid alone; medians of "
        f"{result['repeats']} repeats in which all take turns. *In copies*: of the time to copy an array of the grid. "
        "*x ours*: set-up and solve, or the solve alone, as a multiple of set-up and solve of ours. *Residual*: that "
        "of the u returned, by separate arithmetic. *Error*: to the exact solution, as a multiple of that of the "
        "discrete one. Settings and definitions stand in speed.json."
    )
    gone = "; ".join(f"{name}, {why}" for name, why in result["missing"].items())
    parts += [f"Missing: {gone}."] if gone else []
    return "\n\n".join(["## Time to solution", source(result), note, *parts])


def fields(result: dict[str, Any]) -> str:
    head = ["", "set-up, s", "solve, s", "both x fused", "cycles or iterations"]
    parts = []
    for name, case in result["results"].items():
        rows = []
        for key, row in case["entrants"].items():
            spread = f" ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})" if "ratio_min" in row else ""
            numbers = [f"{row['setup']:.3g}", f"{row['solve']:.3g}", f"{row['ratio']:.2f}{spread}", str(row["cycles"])]
            rows.append([key, *numbers])
        parts += [f"{name}, {' x '.join(map(str, case['shape']))}:", table(head, rows)]
    note = (
        f"`pde.solve` to {result['rtol']:.0e}: fields a that are mild (of contrast 10) or jump (1 or 10⁶ in each "
        "cell), on fused levels, on composed ones, and with a = 1 in place of the field; medians of "
        f"{result['repeats']}, in turns. Of a field that jumps the finest level alone is fused."
    )
    return "\n\n".join(["## Fields of coefficients", source(result), note, *parts])


def defaults(result: dict[str, Any]) -> str:
    def text(row: dict[str, Any]) -> str:
        cycles = f"{row['ratio']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f}), {row['cycles']} cycles"
        return cycles if row["converged"] else f"not converged, {row['cycles']} cycles"

    cases = result["results"]
    names = list(cases[0]["choices"])
    rows = [[name, *(text(case["choices"][name]) for case in cases)] for name in names]
    head = ["", *(f"{case['problem']}, {' x '.join(map(str, case['shape']))}" for case in cases)]
    base = ", ".join(f"{case['choices'][names[0]]['seconds']:.3g} s" for case in cases)
    note = (
        f"Time of `pde.solve` to {result['rtol']:.0e}, set-up included, relative to that of the defaults in the same "
        f"repeat: medians of {result['repeats']}, smallest and largest. The defaults take {base}: `split` of "
        "degree 2, V(1,1), full multigrid first, float64."
    )
    return "\n\n".join(["## The choice of defaults", source(result), note, table(head, rows)])


def page() -> str:
    read = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    trained = [result for result in read.values() if "test_accuracy" in result]
    parts = ["# Measured results", "Made by `python docs/benchmarks/tables.py` from the JSON files in this folder."]
    parts += ["What [the examples](../examples/README.md) measured stands with them."]
    parts += [rates(read["rates"])] if "rates" in read else []
    parts += [speed(read["speed"])] if "speed" in read else []
    parts += [fields(read["fields"])] if "fields" in read else []
    parts += [defaults(read["defaults"])] if "defaults" in read else []
    parts += [shapes(read["shapes"])] if "shapes" in read else []
    parts += [jumps(read["jumps"])] if "jumps" in read else []
    parts += [orders(read["orders"])] if "orders" in read else []
    parts += [learned(read["learned"])] if "learned" in read else []
    parts += [classifiers(trained)] if trained else []
    parts += [compared(result, name[12:]) for name, result in read.items() if name.startswith("classifiers-")]
    parts += [training(result) for name, result in read.items() if name.startswith("vision_speed")]
    parts += [identities(read["identities"])] if "identities" in read else []
    parts += [startup(read["startup"])] if "startup" in read else []
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    (RESULTS / "README.md").write_text(page(), encoding="utf-8")
