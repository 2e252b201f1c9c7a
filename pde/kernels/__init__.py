"""Fused levels: what a composed level computes, in one pass over memory."""

from .choice import LEAST as LEAST
from .choice import fused as fused
from .choice import quick as quick
from .choice import wanted as wanted
