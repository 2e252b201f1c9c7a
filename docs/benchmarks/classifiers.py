"""Train a set of classifiers with one recipe and the same seeds, side by side: `vision.compare`, and its result.

python docs/benchmarks/classifiers.py ROOT small [--epochs 4] [--seeds 0 1 2] ...   (ROOT: with the binary files)

Sets: small, equal, half, blocks, large (`SETS`). The result, docs/results/classifiers-SET.json, and its figure are
written at the end, or when it is interrupted; the same command again goes on. Name re-encoded images with --label. On
a GPU: `large --recipe mgnet`, or `large --recipe fast --epochs 24 --cuda-graphs`; at toy size on a CPU: `large
--images 256 --epochs 1`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from record import ROOT, write

import vision
from unified import files

FIGURES = ROOT / "docs" / "figures"


def _block(placement: str, *factors: str) -> dict[str, Any]:
    """Poly-MgNet an eighth as wide as published; two products a level, each of degree 2 in A."""
    return {"name": "polymgnet-pair", "width": 1 / 8, "steps": (2, 2, 2, 2), "factors": factors, "placement": placement}


SETS: dict[str, dict[str, dict[str, Any]]] = {
    "small": {
        name: {"name": name}
        for name in (
            "mgnet-32",
            "polymgnet-q2-quarter",
            "resnet-20",
            "polymgnet-g4-quarter",
            "preact-resnet-20",
            "polymgnet-g6-quarter",
            "polymgnet-g8-quarter",
        )
    },
    # the weights of ResNet-20: 7 / 16 of the published width, .3 to .8 per cent more
    "equal": {
        "resnet-20": {"name": "resnet-20"},
        **{
            f"polymgnet-{block}, width .4375": {"name": f"polymgnet-{block}", "width": 7 / 16}
            for block in ("q2", "g4", "g6")
        },
    },
    "half": {
        name: {"name": name}
        for name in ("mgnet-64", *(f"polymgnet-{block}-half" for block in ("q2", "g4", "g6", "g8")))
    },
    "blocks": {
        # complex pairs, double real roots and two real roots, where no bn undoes their scale
        **{f"pair, {place}": _block(place, "quadratic") for place in ("plain", "outside")},
        **{f"double real root, {place}": _block(place, "quadratic-real") for place in ("plain", "outside")},
        **{f"two real roots, {place}": _block(place, "linear", "linear") for place in ("plain", "outside")},
        # the other places of bn and relu
        **{
            f"pair, {place}": _block(place, "quadratic") for place in ("regular", "relu-outside", "inside", "bn-inside")
        },
    },
    "large": {name: {"name": name} for name in ("mgnet-256", "resnet-18", "polymgnet-g6")},
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--label", default=None, help="how the data is called in the result")
    parser.add_argument("--recipe", choices=list(vision.RECIPES), default="fast")
    parser.add_argument("--epochs", type=int, default=None, help="those of the recipe, if not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=None, help="so many training images only")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--cuda-graphs", action="store_true")
    args = parser.parse_args(arguments)

    data = vision.load(args.data, None if args.data == "digits" else args.root)  # digits need no files
    if args.images is not None:
        data = data.subset(args.images)
    settings = {**vision.RECIPES[args.recipe], "device": args.device, "validation": 0.0}
    settings |= {} if args.epochs is None else {"epochs": args.epochs}
    config = vision.TrainConfig(**settings, compile=args.compile, cuda_graphs=args.cuda_graphs)
    name = f"classifiers-{args.set}"
    folder = Path("runs", name)
    try:
        print(vision.compare(SETS[args.set], data, config, folder=folder, seeds=args.seeds).table())
    finally:  # of an interrupted run, what there is: compare writes it after every model
        if (folder / "compare.json").exists():
            found = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
            del found["environment"]  # write adds it
            how = {"data": args.label or args.data, "images": len(data.train_images), "tested": len(data.test_labels)}
            files.replace(FIGURES / f"{name}.png", (folder / "compare.png").read_bytes())
            write(name, {**found, **how, "recipe": args.recipe})


if __name__ == "__main__":
    main()
