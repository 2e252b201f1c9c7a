"""How soon the command line answers: medians over repeated runs of `--help`, in a process of their own each.

python docs/benchmarks/startup.py [--repeats 11]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from record import write

from unified.app.main import COMMANDS


def seconds(*argv: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "unified.app", *argv], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=11)
    repeats = parser.parse_args().repeats
    times = {}
    for command in ([], *([name] for name in COMMANDS)):
        runs = sorted(seconds(*command, "--help") for _ in range(repeats))
        times[" ".join(["vcycle", *command, "--help"])] = {"median": statistics.median(runs), "worst": runs[-1]}
    print(write("startup", {"repeats": repeats, "seconds": times}))


if __name__ == "__main__":
    main()
