"""Where the kernels of a CUDA device run in tests: there, or on the CPU under Triton's interpreter."""

import os

import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
kernels = pytest.mark.filterwarnings("default") if INTERPRETED else pytest.mark.gpu


@pytest.fixture(autouse=True, scope="module")
def quick():
    """The interpreter patches Triton at every call of a function, which takes most of its time: once is enough."""
    if not INTERPRETED:
        return
    import triton.language as tl
    import triton.runtime.interpreter as interpreter

    from pde.kernels.gpu import points

    if hasattr(interpreter, "_LangPatchScope"):  # of Triton 3.9
        for function in (points.wrap, tl.zeros):
            interpreter._patch_lang(function.fn)
        interpreter._patch_lang = lambda fn: interpreter._LangPatchScope()
