"""Denoising of photographs: the V-cycle of MgNet predicts the noise, beside filters and a network without levels.

python docs/examples/denoising.py [--steps 1600] [--seed 0] [--out FOLDER]

One photograph of scikit-learn (china.jpg) trains the networks and chooses the parameters of the filters; all are judged
on the other (flower.jpg). `u = y - σ N(y, σ)`: N sees the noisy picture y and σ, as a fourth channel, so that one
network serves all σ; it learns the noise in units of σ, from recoloured crops with fresh noise, σ uniform in LEVELS.
The rival is a chain of 3x3 convolutions, bn and relu (Zhang et al. 2017, DnCNN, arXiv 1608.03981) of as many weights,
trained as long by the same recipe. Each is trained with every one of RATES; that which is best on the part of the first
photograph that chooses the filters' parameters is judged. Processor seconds of one thread; PSNR in decibel, `-10 log10`
of the mean square error of what is clipped to [0, 1].
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filters import FILTERS
from matplotlib import rc_context
from matplotlib.figure import Figure
from publish import publish
from torch import Tensor, nn

import vision
from unified.app.figures import STYLE
from unified.app.photographs import photographs

LEVELS = (10 / 255, 55 / 255)
LONG = 10**9
JUDGED = (25, 50)  # σ in units of 1/255
CROP, BATCH = 40, 4
RATES = (5e-4, 2e-3, 8e-3)  # learning rates
NETWORKS = {"dense_mgnet": lambda: vision.dense_mgnet((1, 1, 1), 32, in_channels=4, classes=3)}
NETWORKS["plain CNN"] = lambda: plain_cnn(16, 32)


class Denoised(NamedTuple):
    psnr: dict[str, dict[int, float]]  # of each method and σ
    record: dict[str, Any]
    pictures: dict[str, Tensor]  # (3, H, W) at the larger σ; "clean" and "noisy" too


def plain_cnn(depth: int, channels: int) -> nn.Module:
    """(B, 4, H, W) -> (B, 3, H, W): as many convolutions 3x3, all but the last with bn and relu."""
    inner = [conv_bn_relu(4, channels), *(conv_bn_relu(channels, channels) for _ in range(depth - 2))]
    return nn.Sequential(*inner, nn.Conv2d(channels, 3, 3, padding=1))


def conv_bn_relu(inputs: int, outputs: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def predict(network: nn.Module, noisy: Tensor, sigma: Tensor) -> Tensor:
    """The noise in units of sigma: (B, 3, H, W), sigma (B, 1, 1, 1)."""
    return network(torch.cat([noisy, sigma.expand(-1, 1, *noisy.shape[2:])], dim=1))


@torch.no_grad()
def denoise(network: nn.Module, picture: Tensor, sigma: float) -> Tensor:
    """(3, H, W), float64."""
    y, level = picture.float()[None], torch.tensor(sigma).view(1, 1, 1, 1)
    return (y - level * predict(network, y, level))[0].double()


def train(
    network: nn.Module, photograph: Tensor, steps: int, seconds: float, seed: int, crop: int, rate: float
) -> dict[str, Any]:
    """Adam on the mean square error, for so many steps or processor seconds; the rate falls to zero."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    began, losses = time.process_time(), list[float]()
    network.train().to(memory_format=torch.channels_last)
    for step in count(1):
        used = max((step - 1) / steps, (time.process_time() - began) / seconds)
        if used >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, step / 20) * (1 - used)
        clean = crops(photograph, crop, generator)
        sigma = LEVELS[0] + (LEVELS[1] - LEVELS[0]) * torch.rand(BATCH, 1, 1, 1, generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        loss = (predict(network, clean + sigma * noise, sigma) - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    network.eval()
    last = losses[-50:]
    return {"steps": len(losses), "seconds": time.process_time() - began, "loss": sum(last) / len(last)}


def crops(photograph: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """(BATCH, 3, size, size), float32, from anywhere, in any of the eight orientations of a square, in new colours."""
    out = []
    ends = (*(n - size + 1 for n in photograph.shape[1:]), 4, 2)
    for _ in range(BATCH):
        top, left, turns, mirrored = (int(torch.randint(end, (), generator=generator)) for end in ends)
        one = photograph[:, top : top + size, left : left + size].rot90(turns, (1, 2))
        out.append(recoloured(one.flip(2) if mirrored else one, generator))
    return torch.stack(out).float()


def recoloured(picture: Tensor, generator: torch.Generator) -> Tensor:
    """(3, H, W) with permuted channels, another saturation and brightness, inverted or not: one photograph has few."""
    picture = picture[torch.randperm(3, generator=generator)]
    saturation, inverted, brightness = torch.rand(3, generator=generator).tolist()
    grey = picture.mean(0, keepdim=True)
    picture = grey + 2 * saturation * (picture - grey)
    picture = 1 - picture if inverted < 0.5 else picture
    return ((0.5 + brightness) * picture).clamp(0, 1)


def psnr(picture: Tensor, clean: Tensor) -> float:
    return float(-10 * (picture.clamp(0, 1) - clean).square().mean().log10())


def noised(clean: Tensor, sigma: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return clean + sigma * torch.randn(clean.shape, generator=generator, dtype=clean.dtype)


def main(training: Tensor, strip: Tensor, test: Tensor, *, steps: int, seed: int = 0, crop: int = CROP) -> Denoised:
    """Train on `training`, choose on `strip`, judge on `test`: pictures (3, H, W) in [0, 1], float64."""
    results: dict[str, dict[int, float]] = {"noisy": {}}
    methods: dict[str, Any] = {}
    pictures = {"clean": test}
    for level in JUDGED:
        sigma = level / 255
        seen, noisy = noised(strip, sigma, seed + 1), noised(test, sigma, seed + 2)
        results["noisy"][level], pictures["noisy"] = psnr(noisy, test), noisy
        for name, (function, values) in FILTERS.items():
            chosen = max(values, key=lambda value: psnr(function(seen, sigma, value), strip))
            began = time.process_time()
            pictures[name] = function(noisy, sigma, chosen)
            taken = time.process_time() - began
            results.setdefault(name, {})[level] = psnr(pictures[name], test)
            methods.setdefault(name, {})[level] = {"parameter": chosen, "seconds": taken}
            print(name, level, chosen, f"{results[name][level]:.2f} dB, {taken:.1f} s", flush=True)
    seconds = math.inf  # the first has so many steps, the rival as long
    for name, make in NETWORKS.items():
        rates, trained = dict[float, dict[str, Any]](), dict[float, nn.Module]()
        for rate in RATES:
            torch.manual_seed(seed)
            trained[rate] = make()
            rates[rate] = train(trained[rate], training, steps, seconds, seed, crop, rate)
            left = (denoise(trained[rate], noised(strip, level / 255, seed + 1), level / 255) for level in JUDGED)
            rates[rate]["seen"] = sum(psnr(picture, strip) for picture in left) / len(JUDGED)
            print(name, rate, rates[rate], flush=True)
        best = max(rates, key=lambda rate: rates[rate]["seen"])
        network, methods[name] = trained[best], {**rates[best], "rate": best, "rates": rates}
        steps, seconds = LONG, methods[name]["seconds"]
        h, w = test.shape[1:]
        cost = vision.multiply_adds(network, (4, h, w)) / (h * w)
        methods[name] |= {"weights": vision.count_weights(network), "multiply_adds_per_pixel": cost}
        for level in JUDGED:
            noisy = noised(test, level / 255, seed + 2)
            began = time.process_time()
            pictures[name] = denoise(network, noisy, level / 255)
            methods[name][level] = {"seconds": time.process_time() - began}
            results.setdefault(name, {})[level] = psnr(pictures[name], test)
        print(name, best, results[name], flush=True)
    record = {"seed": seed, "crop": crop, "batch": BATCH, "levels": LEVELS, "psnr": results, "methods": methods}
    return Denoised(results, {**record, "shape": list(test.shape), "definitions": __doc__}, pictures)


def visualize(found: Denoised, window: tuple[slice, slice]) -> Figure:
    """A window, clean, noisy with the larger σ, and as four methods leave it; PSNR is that of the whole photograph."""
    level = JUDGED[-1]
    shown = ["clean", "noisy", "total variation", "non-local means", "plain CNN", "dense_mgnet"]
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=(9, 5.4), dpi=100, layout="constrained")
        for axes, name in zip(figure.subplots(2, 3).ravel(), shown, strict=True):
            axes.imshow(found.pictures[name][:, *window].clamp(0, 1).permute(1, 2, 0).numpy())
            axes.set_axis_off()
            decibel = found.psnr.get(name)
            axes.set_title(name if decibel is None else f"{name}, {decibel[level]:.2f} dB", loc="left")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1600, help="of training the network")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for the record and the picture, in place of those of docs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    china, flower = photographs()
    found = main(china, china[:, 150:278], flower, steps=args.steps, seed=args.seed)
    publish("denoising", found.record, visualize(found, (slice(120, 320), slice(180, 440))), args.out)
