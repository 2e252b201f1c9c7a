"""What a run says while it goes, on stderr: a bar on a terminal, and a line an epoch anywhere."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


class Progress:
    """A bar over all images of the run, with their rate, the time left, the running loss and accuracy."""

    def __init__(self, show: bool, epochs: int, images: int, done: int) -> None:
        """images: of an epoch; done: epochs."""
        self.show, self.epochs = show, epochs
        self.bar = tqdm(
            total=epochs * images,
            initial=done * images,
            unit="img",
            unit_scale=True,
            disable=not (show and sys.stderr.isatty()),
            dynamic_ncols=True,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def begin(self, epoch: int) -> None:
        self.bar.set_description(f"epoch {epoch}/{self.epochs}", refresh=False)

    def step(self, images: int) -> None:
        self.bar.update(images)

    def look(self, loss: float, accuracy: float) -> None:
        self.bar.set_postfix(loss=f"{loss:.3f}", acc=f"{accuracy:.1%}", refresh=False)

    def end(self, record: dict[str, Any]) -> None:
        """The line of an epoch, above the bar where there is one."""
        if not self.show:
            return
        valid = f"  valid {record['valid_accuracy']:.2%}" if "valid_accuracy" in record else ""
        tqdm.write(
            f"epoch {record['epoch']}/{self.epochs}  loss {record['loss']:.4f}  train {record['accuracy']:.2%}{valid}  "
            f"{record['images_per_second']:,.0f} img/s  {record['seconds']:.1f} s",
            file=sys.stderr,
        )
