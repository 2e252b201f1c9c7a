"""The heap that a training keeps: no page is asked for twice, and what is kept is given back at the end."""

import ctypes
import json
import subprocess
import sys

import pytest
import torch

from vision.heap import kept_heap

glibc = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")

# In a process of its own: an allocation that failed in another test may have moved the thread to another arena.
SCRIPT = """
import json, resource
from pathlib import Path
import torch
from vision.heap import kept_heap

SIZE = 64 << 20  # bytes; more than glibc ever keeps by itself

def faults():  # pages that an array, made and freed, is given anew
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    b"1" * SIZE
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():  # in arrays
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / SIZE

faults()
found = {"start": resident(), "usual": faults()}
with kept_heap():
    faults()
    found |= {"kept": faults(), "inside": resident()}
found["outside"] = resident()
faults()
found["later"] = resident()
with kept_heap():
    for step in range(100):
        torch.zeros(SIZE, dtype=torch.uint8)
        if step == 20:
            found["early"] = resident()
    found["late"] = resident()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for step in range(8):
        torch.zeros(SIZE, dtype=torch.uint8)
    found["aligned"] = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 8
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found():
    if not glibc:
        pytest.skip("only glibc has mallopt")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=True)
    return json.loads(done.stdout)


def test_pages_are_asked_for_once(found):
    assert found["kept"] < found["usual"] / 8


def test_what_was_kept_is_given_back(found):
    assert found["inside"] > found["start"] + 0.5
    assert found["outside"] < found["start"] + 0.5
    assert found["later"] < found["start"] + 0.5  # and nothing is kept any more


def test_what_is_kept_does_not_grow_without_bound(found):
    """Arrays that are aligned, as torch's are, do not fit where one of their size was: a few such holes remain."""
    assert found["early"] < found["later"] + 12
    assert found["late"] < found["early"] + 1
    assert found["aligned"] < found["usual"] / 8


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with kept_heap():
        pass


def test_too_much_memory_is_still_refused():
    with kept_heap(), pytest.raises(RuntimeError, match=r"not enough memory|can't allocate"):
        torch.empty(1 << 60, dtype=torch.uint8)
