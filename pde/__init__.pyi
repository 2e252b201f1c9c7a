from .coarse import DirectSolve as DirectSolve
from .hierarchy import PoissonMultigrid as PoissonMultigrid
from .krylov import conjugate_gradients as conjugate_gradients
from .problems import Poisson as Poisson
from .setup import multigrid as multigrid
from .solver import solve as solve
