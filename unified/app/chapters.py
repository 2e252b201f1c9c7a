"""The report's words. Every number in them comes from results.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .report import commands, drawings, figure, heading, page, pair, paragraphs, preformatted, rich, scientific, table

Results = dict[str, Any]
Pictures = Mapping[str, bytes]  # by file name


def document(results: Results, pictures: Pictures) -> str:
    """The whole report as HTML."""
    chapters = [
        ("start", "What this is", introduction(results)),
        ("poisson", "A rate that does not depend on the grid", poisson(results["poisson"], pictures)),
        ("cloning", "A picture from its gradients", cloning(results["cloning"], pictures)),
        ("digits", "The same cycle, trained", digits(results["digits"], pictures)),
        ("dualities", "Two identities, in numbers", dualities(results["dualities"])),
        ("run", "This run", run(results)),
    ]
    lead = (
        "Multigrid solves a partial differential equation by visiting coarser and coarser grids. MgNet classifies "
        "an image in the same way. This page was computed by one program that does both."
    )
    foot = (
        f"vcycle {results['version']}, {results['environment']['date']}. All numbers: results.json, beside this page."
    )
    return page("One multigrid cycle, two backends", lead, chapters, rich(foot))


def introduction(results: Results) -> str:
    finest, models = results["poisson"]["sizes"][-1], results["digits"]["models"]
    smallest = min(models, key=lambda model: model["weights"])
    return paragraphs(
        "A level holds u, an approximation, and f, its data. Smoothing repeats `u ← u + B(f − A u)`; going down, "
        "the residual is restricted to the next level; coming up, its correction is added. Let A be a difference "
        "operator and B a polynomial in it: that is a solver. Let A and B be trained convolutions, with "
        "normalisation and relu between them, and read the coarsest u out: that is a classifier.",
        f"*If you solve equations*, begin with the rates: {finest['cycles']} cycles for {finest['unknowns']:,} "
        f"unknowns, as for {results['poisson']['sizes'][0]['unknowns']:,}. *If you train networks*, begin with the "
        f"digits: {smallest['weights']:,} weights read {smallest['accuracy']:.1%} of the test images. *If you teach*, "
        "begin at the end: each subject is rewritten as the other, and what is left between them is rounding.",
    )


def poisson(part: Results, pictures: Pictures) -> str:
    sizes, alone = part["sizes"], part["one_level"]
    rates = [row["rate"] for row in sizes]
    last = alone[-1]["residuals"]
    fmg = [row["fmg_error"] for row in sizes]
    rows = [
        (
            f"{row['n']}²",
            f"{row['unknowns']:,}",
            str(row["levels"]),
            str(row["cycles"]),
            f"{row['rate']:.3f}",
            scientific(row["error"], 2),
            f"{row['order']:.3f}" if "order" in row else "",
            f"{row['fmg_error']:.2f}",
            f"{row['seconds']:.2f}",
        )
        for row in sizes
    ]
    return (
        paragraphs(
            "−Δu = f on the unit square, u = 0 on its boundary, with f such that u = x(1−x) eˣ sin πy is the "
            "solution. Five-point differences; V-cycles from zero until the residual has fallen by "
            f"{scientific(part['rtol'], 0)}; one fourth-kind Chebyshev polynomial of degree {part['degree']} as the "
            "smoother, before and after the coarse correction."
        )
        + table(
            "Convergence by grid size",
            ("points", "unknowns", "levels", "cycles", "rate a cycle", "error", "order", "FMG error", "seconds"),
            rows,
        )
        + paragraphs(
            f"The rate lies between {min(rates):.3f} and {max(rates):.3f}: a cycle removes the same share of the "
            "residual on every grid, and costs a fixed number of operations an unknown. *error* is the largest "
            "difference from the exact solution of the differential equation, once the discrete one is solved; "
            "halving the spacing divides it by four (*order* 2). *FMG error* is that of full multigrid, a start "
            f"from the coarsest grid with two cycles a level and no cycle more, as a multiple of it: {min(fmg):.2f} "
            f"to {max(fmg):.2f}, for the work of {sizes[-1]['fmg_work'] / sizes[-1]['work']:.1f} V-cycles. Below 1 "
            "means that the error left by the solver happens to oppose that of the discretisation."
        )
        + figure(
            pictures["convergence.png"],
            "Left: relative residual against work. The V-cycles of all sizes fall along nearly one line, to "
            f"{scientific(sizes[-1]['residuals'][-1])}; damped Jacobi without coarse levels stays close to 1. "
            "Right: the error falls with the square of the spacing.",
            f"The residual by work. Dashed: damped Jacobi with no coarse level. After {len(last) - 1} products with "
            f"the matrix it has left {last[-1]:.1%} of the residual on {alone[-1]['n']}² points: f is smooth, so is "
            "the error, and a smooth error hardly changes from one point to the next, which is all that a local "
            "method sees. On a coarser grid the same error is no longer smooth.",
            chart=True,
        )
        + commands(f"vcycle solve --shape {sizes[-1]['n']} {sizes[-1]['n']} --method mg")
    )


def cloning(part: Results, pictures: Pictures) -> str:
    h, w = part["interior"]
    return (
        paragraphs(
            "The dahlia of one photograph in the trees of another. Pasting its pixels brings its dark surroundings "
            "along. Seamless cloning (Pérez, Gangnet and Blake, 2003) copies gradients instead: it prescribes a "
            "field v, the dahlia's gradient on its petals, the photograph's elsewhere and the stronger of the two "
            "in the margin, and looks for the picture whose gradient is nearest to it. That is a Poisson equation, "
            "`Δu = div v`, with the photograph's own pixels as boundary values.",
            f"Here it is solved on {h} × {w} points for three colours at once, {part['unknowns']:,} unknowns: full "
            f"multigrid and {part['cycles']} cycles at {part['rate']:.3f} a cycle, to a residual of "
            f"{scientific(part['residuals'][-1])}, in {part['seconds']:.1f} s. Nothing is blurred or blended: the "
            "light of the petals is what the equation gives. The dahlia's gradients are taken at "
            f"{part['strength']:.0%} strength; {part['clipped']:.1%} of the values still leave the range of the "
            "screen and are clipped.",
        )
        + pair(
            figure(pictures["source.jpg"], "A photograph of an orange dahlia before dark leaves.", "The source."),
            figure(
                pictures["pasted.jpg"],
                "A pagoda above a lake; dahlias with dark rims are pasted onto the trees.",
                f"Its pixels, pasted {part['blossoms']} times with a rough selection.",
            ),
        )
        + figure(
            pictures["clone.jpg"],
            "The same picture after cloning: the dahlias bloom in the trees, without rims and in their light.",
            f"Its gradients, cloned: one Poisson problem for all {part['blossoms']} blossoms.",
        )
        + paragraphs("Photographs: china.jpg by danielbuechele and flower.jpg by vultilion, both CC BY 2.0.")
    )


def digits(part: Results, pictures: Pictures) -> str:
    models = part["models"]
    wrong = [sum(a != b for a, b in zip(m["predictions"], part["labels"], strict=True)) for m in models]
    rows = [
        (m["label"], f"{m['weights']:,}", f"{m['accuracy']:.2%}", f"{n} of {part['test']}", f"{m['seconds']:.1f}")
        for m, n in zip(models, wrong, strict=True)
    ]
    (height, width), steps = part["image"], models[0]["options"]["steps"]
    ends = " and ".join(f"{1 - m['accuracy']:.1%}" for m in models)
    return (
        paragraphs(
            f"Two networks on scikit-learn's handwritten digits, {height} × {width} pixels: {part['train']:,} to "
            f"train and, a tenth of them, to validate; {part['test']} to test. *MgNet* (He and Xu, 2019) trains A and "
            "B as 3 × 3 convolutions, `u ← u + relu(bn(B(relu(bn(f − A u)))))`, on "
            f"{len(steps)} levels with {' + '.join(map(str, steps))} steps. "
            "*Poly-MgNet* (van Betteray, Rottmann and Kahl, 2025) has no kernel for B: it is a polynomial in A, one "
            "factor a step, whose roots are trained; normalisation and relu stand between its factors.",
            f"SGD with momentum, {part['epochs']} epochs, batches of {part['batch']}, peak learning rate "
            f"{part['lr']:g}, shifts by a pixel, seed {part['seed']}. The accuracy is that of the last epoch; "
            "the test images were read once, after it.",
        )
        + table(
            "Held-out test images, last epoch", ("network", "weights", "accuracy", "wrong", "seconds to train"), rows
        )
        + figure(
            pictures["training.png"],
            f"Training loss and validation error of both networks by epoch; they end with {ends} of the test images "
            "wrong.",
            "Training loss, and the share of validation images classified wrongly.",
            chart=True,
        )
        + figure(
            pictures["digits.png"],
            "Small grey images of handwritten digits with the predicted digit above each; errors are marked with "
            "the true digit.",
            "The first test images, and those that are classified wrongly: prediction, not label.",
            chart=True,
        )
        + commands("vcycle train --model mgnet-16 --steps 2 2 2 --data digits", "vcycle show model mgnet-16")
    )


def dualities(part: Results) -> str:
    n = part["n"]
    depth = max(len(row["levels"]) for row in part["solver"])
    solver = [
        (row["smoother"], *(scientific(x) for x in row["levels"]), *[""] * (depth - len(row["levels"])))
        for row in part["solver"]
    ]
    resnet = [(row["label"], scientific(row["float32"]), scientific(row["float64"])) for row in part["resnet"]]
    symbols = "o smooth, going down; * smooth, going up; # solve; \\ restrict; / correct; : interpolate"
    return (
        heading("MgNet recovers multigrid")
        + paragraphs(
            "Take the classifier's network, put the stencils of the discretised problem into its convolutions, and "
            "the identity in place of every normalisation and relu. It then computes, level by level, the iterates "
            "of the solver's way down. A factor `1 − c₁λ + c₂λ²` of the smoother's polynomial becomes one 3 × 3 "
            "kernel, `c₁ − c₂A`; a pair of complex roots too."
        )
        + table(
            f"Network against solver on {n} × {n} points, float64: relative difference of u after the way "
            "down (0: the same bits)",
            ("smoother", *(f"level {i}" for i in range(depth))),
            solver,
        )
        + heading("MgNet recovers the pre-activation ResNet")
        + paragraphs(
            "Follow the residual r = f − A u instead of u, and the smoothing step reads `r ← r − A "
            "relu(bn(B(relu(bn(r)))))`: a pre-activation residual block whose outer convolution is shared on a "
            "level. The two networks trained above, written in this form with the very same weights, give the same "
            "logits."
        )
        + table(
            f"Both forms on {part['images']} test images: largest difference of a logit, relative to the largest logit",
            ("network", "float32", "float64"),
            resnet,
        )
        + heading("The cycle is data")
        + paragraphs(
            "Solver and classifier run the same tuple of operations through the same executor. This object is the "
            f"program of the networks above and {'equals' if part['same_program'] else 'differs from'} the solver's "
            "way down on as many levels; the drawing is made from it."
        )
        + preformatted(f"{part['drawing']}\n\n{part['program']}")
        + paragraphs(
            "Other tuples give the other cycles. Their work is counted in products with the finest matrix, in two "
            "dimensions and with the smoother used above."
        )
        + drawings(
            (f"{name}: {cycle['work']:.1f} work units", cycle["drawing"]) for name, cycle in part["cycles"].items()
        )
        + f'<p class="note">{rich(symbols)}.</p>\n'
        + commands("vcycle show cycle F --levels 5")
    )


def run(results: Results) -> str:
    environment = results["environment"]
    facts = [(name.replace("_", " "), str(value)) for name, value in environment.items() if value is not None]
    seconds = [*((name, f"{value:.1f}") for name, value in results["seconds"].items())]
    quick = ("This was a quick run, at sizes that only show that everything works.",) if results["quick"] else ()
    return (
        paragraphs(*quick, f"Computed by `vcycle demo --seed {results['seed']}`.")
        + table("Environment", ("", ""), facts)
        + table(
            "Seconds by section", ("section", "seconds"), [*seconds, ("all", f"{sum(results['seconds'].values()):.1f}")]
        )
    )
