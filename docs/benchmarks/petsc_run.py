"""Run petsc.py, by the system's interpreter and on MPI ranks, and read what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers import Run
from torch import Tensor

SCRIPT = Path(__file__).resolve().parent / "petsc.py"


@dataclass(frozen=True)
class Petsc:
    """python: an interpreter with petsc4py; folder: for what is passed on."""

    python: str
    ranks: int
    folder: Path

    def missing(self) -> str | None:
        """Why it cannot run here."""
        if shutil.which("mpiexec") is None:
            return "mpiexec is not installed"
        done = self._start("--help")
        if done.returncode == 0:
            return None
        lines = done.stderr.strip().splitlines()
        errors = [line for line in lines if "Error" in line] or lines or ["no message"]
        return f"petsc.py does not start: {errors[0]}"

    def load(self, f: Tensor) -> None:
        np.save(self.folder / "f.npy", f.numpy())

    def __call__(self, methods: Sequence[str], rtol: float) -> tuple[dict[str, Run], dict[str, Any]]:
        """One solve by each, and all that was said of them; each u is read when it is used."""
        options = ["--rtol", str(rtol), "--save", str(self.folder), "--methods", *methods]
        done = self._start(str(self.folder / "f.npy"), *options)
        if done.returncode:
            raise RuntimeError(f"petsc.py: {done.stderr[-2000:]}")
        said = json.loads(done.stdout.splitlines()[-1])
        runs = {}
        for name, row in said["methods"].items():
            parts = [np.load(self.folder / f"{name}.{rank}.npy", mmap_mode="r") for rank in range(self.ranks)]
            u = torch.from_numpy(np.concatenate(parts))
            runs[name] = Run(u, row["seconds"]["setup"], row["seconds"]["solve"], row["iterations"])
        return runs, said

    def _start(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Open MPI wants a word where root runs it, or more ranks than cores; others do not read it."""
        words = {"ALLOW_RUN_AS_ROOT": "1", "ALLOW_RUN_AS_ROOT_CONFIRM": "1", "MCA_rmaps_base_oversubscribe": "1"}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        env = kept | {f"OMPI_{key}": value for key, value in words.items()} | {"OMP_NUM_THREADS": "1"}
        command = ["mpiexec", "-n", str(self.ranks), self.python, str(SCRIPT), *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)
