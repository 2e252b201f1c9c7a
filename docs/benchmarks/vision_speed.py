"""Training steps a second: ours beside a plain loop over the formulas, and beside what matrices reach here.

python docs/benchmarks/vision_speed.py [--models mgnet-64-li ...] [--batch 128] [--repeats 5] [--compile] [--quick]

A step is forward, loss, backward and SGD. Entrants take turns, repeat by repeat: "plain", float32, contiguous, eager,
no product left out (plain_network.py); "ours", by `vision.step` in the form that training runs, channels-last, in
float32 and, where the hardware multiplies it, bfloat16; with --compile compiled, too; on a GPU also as a CUDA graph.
Ours keep the memory that a step frees, as training does; so does the plain loop here, and one more, "plain", runs in a
process of its own that does not.
share: of the rate of a product of two square matrices of the same precision in the same run, by the multiply-adds of
the form that is trained, three times forward. transfers: forward and backward of depthwise transfers with two outputs a
channel, grouped and as `vision.blocks` has it. epoch: images a second of `vision.fit` beside a plain eager loop with a
CPU data loader that crops and flips image by image; --loader-images of noise, the second epoch counts.
"""

from __future__ import annotations

import argparse
import copy
import multiprocessing
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from peers import clock
from plain_network import PlainNetwork
from record import write
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import vision
from vision.blocks import depthwise
from vision.device import resolve_precision
from vision.graphs import GraphedStep
from vision.heap import kept_heap
from vision.network import fewest_products
from vision.optimizer import make_optimizer
from vision.step import Step

IMAGE = (3, 32, 32)
TRANSFERS = ((16, 32), (32, 32), (64, 32), (32, 16), (64, 16), (128, 16))  # channels, sides
MODELS = (
    "mgnet-64-li",
    "mgnet-32",
    "resnet-20",
    "preact-resnet-20",
    *(f"polymgnet-{block}-quarter" for block in ("q2", "g4", "g6", "g8")),
    "polymgnet-q2-half",
)
Run = Callable[[], object]
Turn = Callable[[], float]  # seconds
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def peer(model: nn.Module) -> nn.Module:
    """The plain loop; of a network that is none of ours, itself."""
    return PlainNetwork(model) if isinstance(model, vision.MgNet) else copy.deepcopy(model)


def start(name: str, batch: int, device: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A model, images and labels."""
    torch.manual_seed(0)
    model = vision.create_model(name).to(device).train()
    return model, torch.randn(batch, *IMAGE, device=device), torch.randint(10, (batch,), device=device)


def plain_step(model: nn.Module, x: Tensor, labels: Tensor) -> Run:
    plain = peer(model).to(x.device).train()
    optimizer = torch.optim.SGD(plain.parameters(), 0.01, momentum=0.9)

    def by_hand() -> None:
        optimizer.zero_grad()
        F.cross_entropy(plain(x), labels).backward()
        optimizer.step()

    return by_hand


def entrants(name: str, batch: int, device: str, compiled: bool) -> tuple[nn.Module, dict[str, Run]]:
    model, x, labels = start(name, batch, device)
    steps = {"plain, memory kept": plain_step(model, x, labels)}
    last = x.contiguous(memory_format=torch.channels_last)
    for precision, dtype in native(device).items():
        for how in ("", *((", compiled",) if compiled else ()), *((", graph",) if device != "cpu" else ())):
            own = copy.deepcopy(model).to(memory_format=torch.channels_last)
            form = fewest_products(own)
            run = torch.compile(form) if "compiled" in how else form
            config = vision.TrainConfig(lr=0.01)
            step = Step(run, make_optimizer(own, config), config, dtype)
            step = GraphedStep(step) if "graph" in how else step
            steps[f"ours, {precision}{how}"] = lambda step=step: step(last, labels, labels)
    return fewest_products(model), steps


def timed(run: Run, device: str) -> float:
    """Seconds, after a run that is not timed."""
    run()
    began = clock(device)
    run()
    return clock(device) - began


def kept(run: Run, device: str) -> Turn:
    def turn() -> float:
        with kept_heap():
            return timed(run, device)

    return turn


def serve(pipe: Any, name: str, batch: int, device: str, threads: int) -> None:
    torch.set_num_threads(threads)
    run = plain_step(*start(name, batch, device))
    while pipe.recv():
        pipe.send(timed(run, device))


@contextmanager
def elsewhere(*arguments: Any) -> Iterator[Turn]:
    """The plain loop in a process of its own, which keeps no memory, and is idle while others have their turn."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=serve, args=(there, *arguments), daemon=True)
    process.start()

    def turn() -> float:
        here.send(True)
        return here.recv()

    try:
        yield turn
    finally:
        here.send(False)
        process.join()


def seconds(turns: dict[str, Turn], repeats: int) -> dict[str, list[float]]:
    """Of each entrant, in turns, the first of which warms up."""
    times: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(repeats + 1):
        for name, turn in turns.items():
            found = turn()
            if number:
                times[name].append(found)
    return times


def products(device: str, n: int) -> dict[str, Run]:
    """Of two square matrices, 2 n³ operations each."""
    pairs = {name: torch.randn(2, n, n, device=device).to(dtype) for name, dtype in native(device).items()}
    return {f"matmul, {name}": lambda pair=pair: pair[0] @ pair[1] for name, pair in pairs.items()}


def native(device: str) -> dict[str, torch.dtype]:
    """The precisions that the hardware multiplies: bfloat16 is emulated elsewhere, and takes minutes."""
    best = resolve_precision("auto", torch.device(device))
    return {name: dtype for name, dtype in DTYPES.items() if dtype in (torch.float32, best)}


def measure(name: str, args: argparse.Namespace) -> dict[str, Any]:
    form, steps = entrants(name, args.batch, args.device, args.compile)
    turns = {entrant: kept(run, args.device) for entrant, run in (steps | products(args.device, args.matrix)).items()}
    with elsewhere(name, args.batch, args.device, torch.get_num_threads()) as plain:
        times = seconds({"plain": plain, **turns}, args.repeats)
    work = 2 * 3 * vision.multiply_adds(form, IMAGE) * args.batch  # a step: forward, and twice as much backward
    matmul = {p: 2 * args.matrix**3 / statistics.median(times.pop(f"matmul, {p}")) for p in native(args.device)}
    rows = {}
    for entrant, each in times.items():
        median = statistics.median(each)
        row = {"images_per_second": args.batch / median, "seconds": each}
        row["ratio_to_plain"] = statistics.median(a / b for a, b in zip(times["plain"], each, strict=True))
        if "plain" not in entrant:
            row["share"] = work / median / matmul["bfloat16" if "bfloat16" in entrant else "float32"]
        rows[entrant] = row
        print(f"{name:24} {entrant:28} {row['images_per_second']:8.1f} images/s  {row['ratio_to_plain']:.2f} x plain")
    multiply_adds = vision.multiply_adds(form, IMAGE)
    return {"weights": vision.count_weights(form), "multiply_adds": multiply_adds, "matmul": matmul, "entrants": rows}


def transfers(args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for inputs, size in args.transfers:
        own = depthwise(inputs, 2 * inputs).to(args.device)
        x = torch.randn(args.batch, inputs, size, size, device=args.device)
        x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
        grouped = lambda x, w=own.weight: F.conv2d(x, w, stride=2, padding=1, groups=x.shape[1])  # noqa: E731
        runs = {
            "grouped": lambda f=grouped, x=x: f(x).sum().backward(),
            "ours": lambda f=own, x=x: f(x).sum().backward(),
        }
        turns = {name: kept(run, args.device) for name, run in runs.items()}
        times = {name: statistics.median(each) for name, each in seconds(turns, args.repeats).items()}
        rows.append({"channels": inputs, "size": size, **times})
        print(f"transfer {inputs} -> {2 * inputs} of {size}²: {times['grouped'] / times['ours']:.2f} x the grouped one")
    return rows


class Noise(Dataset[tuple[Tensor, int]]):
    """Images of noise, each cropped, flipped and normalised by itself, as data loaders do it."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        x = F.pad(self.images[i].float() / 255, (4, 4, 4, 4), mode="reflect")
        top, left = torch.randint(9, (2,)).tolist()
        x = x[:, top : top + IMAGE[1], left : left + IMAGE[2]]
        return ((x.flip(2) if torch.rand(()) < 0.5 else x) - 0.5) / 0.25, i % 10


def epoch(name: str, args: argparse.Namespace) -> dict[str, float]:
    images = torch.randint(256, (args.loader_images, *IMAGE), dtype=torch.uint8)
    labels = torch.arange(args.loader_images) % 10
    few, half = slice(0, args.batch), torch.full((3,), 0.5)
    classes = tuple("0123456789")
    data = vision.ImageData("noise", classes, images, labels, images[few], labels[few], half, half / 2, mirror=True)
    config = vision.TrainConfig(
        epochs=2, batch_size=args.batch, lr=0.01, validation=0.0, augmentation=vision.Augmentation(crop=4),
        device=args.device, cuda_graphs=args.device != "cpu",
    )  # fmt: skip
    torch.manual_seed(0)
    ours = vision.fit(vision.create_model(name), data, config, progress=False).history[-1]["images_per_second"]
    torch.manual_seed(0)
    plain = peer(vision.create_model(name)).to(args.device).train()
    optimizer = torch.optim.SGD(plain.parameters(), 0.01, momentum=0.9)
    loader = DataLoader(Noise(images), args.batch, shuffle=True, drop_last=True, num_workers=args.workers)
    for _ in range(2):
        began = clock(args.device)
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(plain(x.to(args.device)), y.to(args.device)).backward()
            optimizer.step()
        taken = clock(args.device) - began
    found = {"ours": ours, "plain, with a data loader": len(loader) * args.batch / taken}
    print(f"{name:24} an epoch: {ours:.1f} images/s, {ours / found['plain, with a data loader']:.2f} x plain")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--matrix", type=int, default=2048)
    parser.add_argument("--loader-images", type=int, default=2560)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="compiled forms too: a minute or two each")
    parser.add_argument("--quick", action="store_true", help="toy sizes, and nothing written")
    args = parser.parse_args(arguments)
    args.transfers = TRANSFERS
    if args.quick:
        args.models, args.batch, args.repeats, args.matrix = ["polymgnet-q2-quarter"], 4, 1, 64
        args.transfers, args.loader_images, args.workers = TRANSFERS[:1], 8, 0
    steps = {name: measure(name, args) for name in args.models}
    result = {"batch": args.batch, "device": args.device, "steps": steps, "transfers": transfers(args)}
    result["epoch"] = {name: epoch(name, args) for name in args.models[:1]}
    if not args.quick:
        name = "vision_speed" if args.device == "cpu" else "vision_speed-cuda"
        print(write(name, result))


if __name__ == "__main__":
    main()
