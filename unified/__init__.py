"""The multigrid cycle shared by `pde` and `vision`: programs, the executor, smoothers, roots, transfers."""

import lazy_loader

# Names are imported when they are first used: the command line answers before torch is there.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
