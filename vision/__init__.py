"""Classifiers as multigrid cycles: MgNet and Poly-MgNet, their data, training and evaluation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
