"""Image files as the tensors that a model takes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError, DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")


def image_files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The paths, with a folder replaced by the image files in and below it, in order; hidden ones do not count.

    A folder without image files stays, for `read_image` to name. Files given by name may have any suffix.
    """
    found: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, (str, Path)) else paths):
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        inside = [p for p in inside if not any(part.startswith(".") for part in p.relative_to(path).parts)]
        found += inside or [path]
    return found


def read_image(file: str | Path, shape: tuple[int, ...]) -> Tensor:
    """An image file as a uint8 tensor of `shape` (C, H, W), C = 1 or 3; DataError for one that cannot be read.

    It is turned as its EXIF tag says, put on white where transparent, converted to C channels and resized (not
    cropped) to H x W. Of 16 bits the upper eight are kept, so that all images have one scale.
    """
    from PIL import Image, ImageOps

    channels, height, width = shape
    if channels not in (1, 3):
        raise ArgumentError("shape", got=shape, expected="1 or 3 channels", do="call the model on your own tensors")
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits: keep the upper eight
                image = Image.fromarray(_upper_eight(np.asarray(image), certain=image.mode != "I"))
            if image.mode == "F":  # floating point: 0 to 1, unless there are larger values
                grey = np.asarray(image)
                scale = 255.0 if np.nanmax(grey) <= 1 else 1.0
                image = Image.fromarray((np.nan_to_num(grey) * scale).clip(0, 255).round().astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BICUBIC)
            pixels = np.array(image).reshape(height, width, channels)
    except Exception as error:  # Pillow's plugins raise nearly anything on a damaged file
        what = {FileNotFoundError: "no such file", IsADirectoryError: "a folder without image files"}.get(
            type(error), f"{type(error).__name__}: {error}"
        )
        raise DataError(
            str(file),
            got=what,
            expected="a readable image file (PNG, JPEG, ...)",
            do="check the path, or save the image again",
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _upper_eight(grey: np.ndarray, *, certain: bool) -> np.ndarray:
    """Of 16 bits, as which integers of 32 are read, too, unless 8 would hold them all."""
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"whole numbers from {grey.min()} to {grey.max()}, which are no 16 bits")
    return (grey // 256 if certain or grey.max() > 255 else grey).astype(np.uint8)
