"""Peak memory of one solve in a process of its own, in arrays of the fine grid beyond u and f. Run by speed.py:

python docs/benchmarks/memory_peak.py NAME --shape 1023 1023 [--field] [--device cpu] [--threads 1]

NAME: one of `entrants.ENTRANTS`. Prints a line of JSON. A small solve comes first, so that libraries and compiled code
do not count; then f, and a field a or a peer's matrix, are made; then the solve. On the CPU: the highest resident size
of this process's memory (VmHWM, which begins anew with a process, whereas ru_maxrss inherits its parent's) less the
size before; null where there is no /proc. On a GPU: what torch allocated at most.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
from pathlib import Path

import torch
from entrants import ENTRANTS
from speed_cases import Case

STATUS = Path("/proc/self/status")


def resident(field: str) -> int:
    """Bytes: VmRSS, now; VmHWM, the most so far."""
    return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith(field))


def peak(name: str, case: Case, rtol: float) -> float | None:
    """In arrays of the fine grid."""
    ENTRANTS[name](case.smaller(), rtol)
    _ = case.f, case.a, case.matrix if name.startswith(("PyAMG", "CuPy")) else None
    gc.collect()
    if case.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        u = ENTRANTS[name](case, rtol).u
        most = torch.cuda.max_memory_allocated()
    elif STATUS.exists():
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)  # what is free already would hide what the solve takes
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making f
        before = resident("VmRSS")
        u = ENTRANTS[name](case, rtol).u
        most = resident("VmHWM")
    else:
        return None
    return (most - before) / (u.numel() * u.element_size()) - 1  # u


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=ENTRANTS)
    parser.add_argument("--shape", type=int, nargs="+", required=True)
    parser.add_argument("--field", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rtol", type=float, default=1e-8)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    case = Case(args.shape, field=args.field, device=args.device)
    print(json.dumps(peak(args.name, case, args.rtol)))


if __name__ == "__main__":
    main()
