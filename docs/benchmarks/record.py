"""What every result says of itself: the command, the commit, the versions and the machine."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy
import scipy
import torch

RESULTS = Path(__file__).resolve().parents[1] / "results"


def _git(*args: str) -> str:
    done = subprocess.run(["git", "-C", str(RESULTS), *args], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def environment() -> dict[str, Any]:
    """Commit (with '+' where tracked files differ from it), versions, processor, threads and GPU."""
    changed = "+" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return {
        "commit": (_git("rev-parse", "--short", "HEAD") or "unknown") + changed,
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def write(name: str, results: dict[str, Any]) -> Path:
    """Write docs/results/NAME.json: command, environment, results."""
    script = Path(sys.argv[0])
    command = shlex.join(["python", f"docs/benchmarks/{script.name}", *sys.argv[1:]])
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"command": command, **environment(), **results}, indent=1) + "\n")
    return path
