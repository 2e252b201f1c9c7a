"""What must be equal, as relative differences: FAS and correction form, network and solver, network and ResNet.

python docs/benchmarks/identities.py [--size 255] [--seed 0]
"""

from __future__ import annotations

import argparse

import torch
from record import write

import pde
import vision
from unified.app.dualities import resnet_difference, solver_difference


@torch.no_grad()
def fas(n: int, program: str) -> float:
    """‖u_FAS - u_correction‖ / ‖u‖ after one run on n² points from zero, f random."""
    problem = pde.Poisson((n, n))
    f = torch.randn(1, 1, n, n, dtype=torch.float64)
    u, v = (pde.multigrid(problem, program, scheme=scheme)(f) for scheme in ("correction", "fas"))
    return float((u - v).norm() / u.norm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=255)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    n = args.size
    f = torch.randn(1, 1, n, n, dtype=torch.float64)
    smoothers = {
        "chebyshev4": "chebyshev4",
        "chebyshev1": "chebyshev1",
        "roots .9, .3 ± .2i": [0.9, 0.3 + 0.2j, 0.3 - 0.2j],
    }
    images = torch.randn(16, 3, 32, 32, dtype=torch.float64)
    models = {name: vision.create_model(name).eval() for name in ("mgnet-32", "mgnet-32-li", "polymgnet-q2-half")}
    results = {
        "size": n,
        "seed": args.seed,
        "FAS against the correction form": {kind: fas(n, kind) for kind in ("V", "W", "F", "fmg")},
        "network against solver, the worst level": {
            name: max(solver_difference(pde.multigrid(pde.Poisson((n, n)), smoother=smoother), f))
            for name, smoother in smoothers.items()
        },
        "network against its data-space form": {
            name: {
                "float32": resnet_difference(model.float(), images.float()),
                "float64": resnet_difference(model.double(), images),
            }
            for name, model in models.items()
        },
    }
    print(write("identities", results))


if __name__ == "__main__":
    main()
