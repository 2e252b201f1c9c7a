import os
import random

import numpy as np
import pytest
import torch
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("vcycle", deadline=None, derandomize=True)
settings.load_profile("vcycle")


def pytest_collection_modifyitems(config, items):
    if torch.cuda.is_available():
        return
    gpu = [item for item in items if "gpu" in item.keywords]
    if gpu:
        config.hook.pytest_deselected(items=gpu)
        items[:] = [item for item in items if "gpu" not in item.keywords]


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random numbers."""
    random.seed(0)
    np.random.seed(0)  # third parties use the global one
    torch.manual_seed(0)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """The CPU, and a CUDA device where there is one."""
    return torch.device(request.param)
