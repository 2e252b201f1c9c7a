"""The checkpoint that a command reads: the one named, or the newest run's."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError


def find(named: Path | None) -> Path:
    """`named`, or the newest last.safetensors below runs/, a comparison's runs included."""
    if named is not None:
        return named / "last.safetensors" if named.is_dir() else named
    folders = ("*", "*/*/seed-*")  # of a training, and of a comparison
    written = [path for folder in folders for path in Path("runs").glob(f"{folder}/last.safetensors")]
    found = sorted(written, key=lambda path: path.stat().st_mtime)
    if not found:
        raise DataError(
            "checkpoint",
            got="none, and no run in runs/",
            expected="a .safetensors file",
            do="use --checkpoint, or vcycle train",
        )
    return found[-1]
