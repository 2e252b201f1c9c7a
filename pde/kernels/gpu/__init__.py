"""Levels with constant coefficients on a CUDA device. What needs Triton imports it: `import pde` does not."""
