"""Compute and write the picture of the README, docs/figures/cloning.png: pixels pasted, and gradients cloned.

python docs/benchmarks/figures.py
"""

from __future__ import annotations

from pathlib import Path

from unified.app import experiments, figures

FIGURES = Path(__file__).resolve().parents[1] / "figures"


def main() -> None:
    numbers, pictures = experiments.cloning()
    content = figures.side_by_side(pictures["pasted"], pictures["clone"])
    FIGURES.mkdir(exist_ok=True)
    path = FIGURES / "cloning.png"
    path.write_bytes(content)
    print(f"{path.name}: {len(content):,} bytes; {numbers['unknowns']:,} unknowns in {numbers['cycles']} cycles")


if __name__ == "__main__":
    main()
