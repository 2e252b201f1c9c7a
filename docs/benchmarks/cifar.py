"""Train one classifier on CIFAR and write its result: the last epoch's accuracy on the test images.

python docs/benchmarks/cifar.py ROOT [--model mgnet-32] [--epochs 10] ...   (ROOT: a folder with the binary files)

The result's `data` says which images were used; name re-encoded ones with --label. An interrupted run continues
from its folder with the same command.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch
from record import write

import vision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--label", default=None, help="how the data is called in the result")
    parser.add_argument("--model", default="mgnet-32")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--crop", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()

    data = vision.load(args.data, args.root)
    torch.manual_seed(args.seed)
    model = vision.create_model(args.model, classes=len(data.classes))
    augmentation = vision.Augmentation(crop=args.crop)
    config = vision.TrainConfig(
        epochs=args.epochs, lr=args.lr, seed=args.seed, validation=0.0, augmentation=augmentation
    )
    folder = Path(args.folder or f"runs/{args.data}-{args.model}-{args.epochs}-{args.seed}")
    result = vision.fit(model, data, config, folder=folder, resume=folder.exists())
    path = write(
        f"{args.data}-{args.model}",
        {
            "data": args.label or args.data,
            "model": args.model,
            "weights": vision.count_weights(model),
            "multiply_adds": vision.multiply_adds(model, data.image_shape),
            "config": asdict(config),
            "precision": result.precision,
            "test_accuracy": result.test_accuracy,
            "test_images": len(data.test_labels),
            "train_images": len(data.train_labels),
            "seconds": result.seconds,
            "images_per_second": result.images_per_second,
            "history": result.history,
        },
    )
    print(f"{args.model}: {result.test_accuracy:.2%} after {args.epochs} epochs, {result.seconds:.0f} s -> {path}")


if __name__ == "__main__":
    main()
