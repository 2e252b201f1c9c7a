"""The records of a run for TensorBoard, where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unified.errors import ArgumentError


class Board:
    """Writes the numbers of each epoch below folder/tensorboard."""

    def __init__(self, folder: Path, done: int) -> None:
        """done: epochs; what an interrupted run wrote after them is hidden."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ArgumentError(
                "tensorboard",
                got="True, but the package is not installed",
                expected="the package tensorboard",
                do="use pip install 'vcycle[tensorboard]', or tensorboard=False",
            ) from error
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)

    def add(self, record: dict[str, Any]) -> None:
        for name, value in record.items():
            if name != "epoch":
                self.writer.add_scalar(name, value, record["epoch"])
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
