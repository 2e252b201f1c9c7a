"""A trained model as a file for other programs: weights alone, a torch.export archive, or ONNX."""

from __future__ import annotations

import copy
import json
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from unified.errors import ArgumentError, DataError

from .augment import normalise
from .checkpoint import bare, load_model, recipe, save
from .inputs import Inputs, read_inputs
from .models import count_weights

TOLERANCE = 1e-4  # of a logit, relative to the largest where that is more than 1
# of a note, beside the weights
_KEPT = ("data", "source", "classes", "image", "mean", "std", "mirror", "config", "epoch", "checksums", "initial")
Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """A file that was written, and read back: `difference` is that of its logits from the model's."""

    path: Path
    size: int  # bytes
    difference: float


class Classifier(nn.Module):
    """The model with its preprocessing: images, uint8 (B, C, H, W) of 0..255 -> logits, float32 (B, K)."""

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(normalise(images, self.mean, self.std))


def export(model: nn.Module, path: str | Path, meta: Mapping[str, Any]) -> Exported:
    """Write a trained model, in float32, in the format that the suffix of `path` names:

    .safetensors: weights and configuration, without the optimizer's state: for `load_model`.
    .pt2: a program for `torch.export.load` (which may unpickle: open none from others).
    .onnx: for ONNX runtimes; needs `pip install 'vcycle[onnx]'`.

    The last two take a batch of any size and have the preprocessing inside: images, uint8 (B, C, H, W) of 0..255, as
    files hold them, to logits, float32 (B, K). Their metadata ('vcycle.json'; 'vcycle' in ONNX) say so in JSON, and
    name the classes. meta: the note that `load_model` returns.

    The file is read back and run on random images before it gets its name. Raises DataError if a logit differs from
    the model's by more than 1e-4 (relative to the largest, where that is more than 1), or if it cannot be written;
    then there is no file, or still the old one. ArgumentError for a model or a note that the format cannot hold.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise ArgumentError(
            "path", got=repr(str(path)), expected=f"a name in {', '.join(_WRITERS)}", do="use model.onnx, say"
        )
    inputs = read_inputs(meta)
    plain = copy.deepcopy(bare(model)).to("cpu", torch.float32, memory_format=torch.contiguous_format)
    classifier = Classifier(plain, inputs.mean, inputs.std).eval().requires_grad_(False)
    with _placed(path) as temporary:
        read_back = _WRITERS[path.suffix](classifier, temporary, inputs, meta)
        difference = _difference(classifier, read_back, inputs.image)
        if not difference <= TOLERANCE:
            raise DataError(
                str(path),
                got=f"logits that differ by {difference:.1e} from the model's",
                expected=f"at most {TOLERANCE:.0e}",
                do="use another format; a file that was there is unchanged",
            )
        size = temporary.stat().st_size
    return Exported(path, size, difference)


def _weights(classifier: Classifier, path: Path, inputs: Inputs, meta: Mapping[str, Any]) -> Run:
    if "options" not in recipe(classifier.model):
        raise ArgumentError(
            "model",
            got=f"a {type(classifier.model).__name__} without a recipe",
            expected="a model of create_model, which load_model can build",
            do="use .pt2 or .onnx",
        )
    save(path, classifier.model, meta={key: meta[key] for key in _KEPT if key in meta})
    return Classifier(load_model(path)[0], inputs.mean, inputs.std).eval()


def _torch(classifier: Classifier, path: Path, inputs: Inputs, meta: Mapping[str, Any]) -> Run:
    note = json.dumps(_note(classifier, inputs, meta))
    torch.export.save(_program(classifier, inputs), path, extra_files={"vcycle.json": note})
    return torch.export.load(path).module()


def _onnx(classifier: Classifier, path: Path, inputs: Inputs, meta: Mapping[str, Any]) -> Run:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (torch.onnx needs it)
    except ImportError as error:
        raise ArgumentError(
            "path",
            got=f"{path.name}, and no package {error.name}",
            expected="the packages onnx, onnxscript and onnxruntime",
            do="pip install 'vcycle[onnx]'",
        ) from error
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")  # torch's own, of its own parts
        program = torch.onnx.export(
            _program(classifier, inputs), input_names=["images"], output_names=["logits"], dynamo=True, verbose=False
        )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {"vcycle": json.dumps(_note(classifier, inputs, meta))})
    onnx.save(proto, path)  # one file: weights of up to 2 GB
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


_WRITERS: dict[str, Callable[[Classifier, Path, Inputs, Mapping[str, Any]], Run]] = {
    ".safetensors": _weights,
    ".pt2": _torch,
    ".onnx": _onnx,
}


def _program(classifier: Classifier, inputs: Inputs) -> ExportedProgram:
    """Of a batch of any size; images have the size that the model was trained on."""
    example = torch.zeros(2, *inputs.image, dtype=torch.uint8)
    return torch.export.export(classifier, (example,), dynamic_shapes=({0: Dim("batch", min=1)},))


def _note(classifier: Classifier, inputs: Inputs, meta: Mapping[str, Any]) -> dict[str, Any]:
    c, h, w = inputs.image
    return {
        "input": f"images: uint8 (batch, {c}, {h}, {w}), {'RGB, ' if c == 3 else ''}0 to 255",
        "output": f"logits: float32 (batch, {len(inputs.classes)})",
        "preprocessing": "inside: (images / 255 - mean) / std",
        "weights": count_weights(classifier),
        "model": recipe(classifier.model),
        "torch": torch.__version__,
        **{key: meta[key] for key in ("data", "classes", "mean", "std") if key in meta},
    }


@torch.no_grad()
def _difference(classifier: Classifier, read_back: Run, image: tuple[int, int, int]) -> float:
    """Of the logits of three random images, another number than the program was traced with."""
    images = torch.randint(256, (3, *image), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    ours, theirs = classifier(images), read_back(images)
    return float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1))


@contextmanager
def _placed(path: Path) -> Iterator[Path]:
    """A file to write, of the same name in a folder beside `path`; it takes its place if nothing is raised."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise DataError(
            str(path),
            got=error.strerror or str(error),
            expected="a folder to write to",
            do="free space, or use another folder; a file that was there is unchanged",
        ) from error


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Errors alone of a logger: what is not installed and not needed is no news."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
