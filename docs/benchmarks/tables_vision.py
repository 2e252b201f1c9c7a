"""Tables of classifiers: what they reach, and how fast they train."""

from __future__ import annotations

from typing import Any

from markup import source, table


def classifiers(results: list[dict[str, Any]]) -> str:
    rows = [
        [
            r["model"],
            r["data"],
            f"{r['test_accuracy']:.2%}",
            f"{r['weights']:,}",
            f"{r['multiply_adds'] / 1e6:,.1f} M",
            str(r["config"]["epochs"]),
            f"{r['seconds'] / 60:.1f}",
            f"{r['images_per_second']:,.0f}",
            r["precision"],
        ]
        for r in results
    ]
    head = ["model", "data", "accuracy", "weights", "multiply-adds", "epochs", "minutes", "images/s", "precision"]
    return "\n\n".join(
        [
            "## Classifiers",
            "Accuracy on the test images after the last epoch. `CIFAR-10 (JPEG q75)` are the CIFAR-10 images "
            "re-encoded as JPEG of quality 75: compare such figures with each other only.",
            table(head, rows),
            *(f"{r['model']}: {source(r)}" for r in results),
        ]
    )


def compared(result: dict[str, Any], which: str) -> str:
    """A set of models trained side by side by classifiers.py."""
    head = ["model", "accuracy", "weights", "multiply-adds", "seeds"]
    rows = []
    for row in sorted(result["summary"], key=lambda row: -(row["accuracy"] or 0)):
        spread = "" if row["spread"] is None else f" ± {row['spread']:.2%}"
        accuracy = "diverged" if row["accuracy"] is None else f"{row['accuracy']:.2%}{spread}"
        work = f"{row['multiply_adds'] / 1e6:,.1f} M"
        rows.append([row["model"], accuracy, f"{row['weights']:,}", work, str(row["finished"])])
    config = result["config"]
    note = (
        f"One recipe ({result['recipe']}, {config['epochs']} epochs, {result['runs'][0]['precision']}), the same order "
        f"of the same {result['images']:,} training images of {result['data']}; accuracy of the last epoch on "
        f"{result['tested']:,} test images, mean and standard deviation over seeds. Their seconds are left out, for "
        "other work ran beside them: rates on a quiet machine stand below."
    )
    return "\n\n".join([f"## Classifiers side by side: {NAMES[which]}", source(result), note, table(head, rows)])


NAMES = {
    "small": "MgNet, Poly-MgNet and ResNets of about 0.1 to 0.3 million weights",
    "equal": "Poly-MgNet of as many weights as ResNet-20",
    "half": "MgNet-64 and Poly-MgNet of half the published width",
    "small-float32": "the small ones in float32",
    "equal-bfloat16": "as many weights as ResNet-20, in bfloat16",
    "blocks": "Poly-MgNet's factors and the places of bn and relu, an eighth of the width",
    "large": "as published",
}


def training(result: dict[str, Any]) -> str:
    """Rates of training steps by vision_speed.py."""
    parts = []
    for name, model in result["steps"].items():
        rows = []
        for entrant, row in model["entrants"].items():
            share = f"{row['share']:.0%}" if "share" in row else ""
            ratio = f"{row['ratio_to_plain']:.2f}"
            rows.append([entrant, f"{row['images_per_second']:,.0f}", ratio, share])
        rate = ", ".join(f"{value / 1e9:,.0f} G in {precision}" for precision, value in model["matmul"].items())
        parts += [
            f"{name}, {model['multiply_adds'] / 1e6:,.1f} M multiply-adds; a product of matrices: {rate} a second:"
        ]
        parts += [table(["", "images/s", "x plain", "share of the product's rate"], rows)]
    transfers = [
        [f"{row['channels']} to {2 * row['channels']}, {row['size']}²", f"{row['grouped'] / row['ours']:.2f}"]
        for row in result["transfers"]
    ]
    epochs = [
        [name, *(f"{rates[how]:,.0f}" for how in ("ours", "plain, with a data loader")),
         f"{rates['ours'] / rates['plain, with a data loader']:.2f}"]
        for name, rates in result["epoch"].items()
    ]  # fmt: skip
    note = (
        f"Steps of {result['batch']} images, medians. *Plain*: float32, contiguous, eager, every product where the "
        "formula has it (plain_network.py), in a process of its own; *memory kept*: what a step frees stays for the "
        "next, as with ours. *Share*: operations of the form that is trained, three times forward, over those of a "
        "product of two square matrices in the same time and precision."
    )
    return "\n\n".join(
        [
            f"## Training steps a second, on {result['device']}",
            source(result),
            note,
            *parts,
            "Depthwise transfers with two outputs a channel, forward and backward: the grouped one's time over ours.",
            table(["channels, image", "ratio"], transfers),
            "Images a second of an epoch, beside a plain eager loop with a data loader on the CPU:",
            table(["", "ours", "plain", "ratio"], epochs),
        ]
    )
