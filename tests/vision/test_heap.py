"""The heap that a training keeps: no page is asked for twice, and what is kept is given back at the end."""

import ctypes
import resource
import sys
from pathlib import Path

import pytest
import torch

from vision.heap import kept_heap

glibc = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallopt")
pytestmark = pytest.mark.skipif(not glibc, reason="only glibc has mallopt")
SIZE = 64 << 20  # bytes; more than glibc ever keeps by itself


def faults() -> int:
    """Pages that an array, made and freed, was given anew."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(SIZE, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_pages_are_asked_for_once():
    faults()
    usual = faults()
    with kept_heap():
        faults()
        assert faults() < usual / 8


def test_what_was_kept_is_given_back():
    before = resident()
    with kept_heap():
        faults()
        assert resident() > before + SIZE / 2
    assert resident() < before + SIZE / 2
    faults()
    assert resident() < before + SIZE / 2  # and nothing is kept any more


def test_without_glibc_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with kept_heap():
        pass


def test_too_much_memory_is_still_refused():
    with kept_heap(), pytest.raises(RuntimeError, match=r"not enough memory|can't allocate"):
        torch.empty(1 << 60, dtype=torch.uint8)
