"""What a result was computed with: versions, processor, threads."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any


def environment() -> dict[str, Any]:
    """Date, versions, system, processor, threads and GPU, as JSON values."""
    import numpy
    import scipy
    import torch

    info = Path("/proc/cpuinfo")  # where it exists it names the processor, which `platform` there does not
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.exists() else []
    processors = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": next(processors, platform.processor() or "unknown"),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
