"""Multigrid for Poisson's equation with dense matrices, from the textbook and from nothing in this project.

Recursive, NumPy alone, n = 2^k - 1 points an axis on the unit square: it tests the other one.
"""

import numpy as np


def laplacian(n):
    """-Δ_h, (n², n²)."""
    line = (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) * (n + 1) ** 2
    return np.kron(line, np.eye(n)) + np.kron(np.eye(n), line)


def interpolation(n):
    """Bilinear, (n², m²) with m = (n - 1)/2: column j of a line has 1/2, 1, 1/2 at rows 2j to 2j + 2."""
    m = (n - 1) // 2
    line = np.zeros((n, m))
    for j in range(m):
        line[2 * j : 2 * j + 3, j] = 0.5, 1, 0.5
    return np.kron(line, line)


def lagrange(n, points=6):
    """(n², m²): Lagrange's polynomial through the nearest nodes, boundary included."""
    m = (n - 1) // 2
    coarse = np.arange(m + 2) * 2  # the nodes, boundary included, in fine spacings
    line = np.zeros((n, m + 2))
    for i in range(1, n + 1):
        first = min(max((i - 1) // 2 - points // 2 + 1, 0), max(m + 2 - points, 0))
        nodes = range(first, min(first + points, m + 2))
        for j in nodes:
            line[i - 1, j] = np.prod([(i - coarse[k]) / (coarse[j] - coarse[k]) for k in nodes if k != j])
    line = line[:, 1:-1]
    return np.kron(line, line)


class Multigrid:
    """roots: of λmax = 1; each sweep goes through them in Leja order, applied as Richardson steps."""

    def __init__(self, n, roots, coarsest=3):
        self.sizes = [n]
        while self.sizes[-1] > coarsest:
            self.sizes.append((self.sizes[-1] - 1) // 2)
        self.A = [laplacian(n) for n in self.sizes]
        self.P = [interpolation(n) for n in self.sizes[:-1]]
        self.R = [P.T / 4 for P in self.P]
        self.lagrange = [lagrange(n) for n in self.sizes[:-1]]
        self.roots = [np.linalg.eigvalsh(A)[-1] * np.asarray(roots) for A in self.A]

    def smooth(self, level, u, f):
        for root in self.roots[level]:
            u = u + (f - self.A[level] @ u) / root
        return u

    def cycle(self, kind, level, u, f):
        if level == len(self.A) - 1:
            return np.linalg.solve(self.A[level], f)
        u = self.smooth(level, u, f)
        f_c = self.R[level] @ (f - self.A[level] @ u)
        e = np.zeros_like(f_c)
        for child in {"V": "V", "W": "WW", "F": "FV"}[kind]:
            e = self.cycle(child, level + 1, e, f_c)
        return self.smooth(level, u + self.P[level] @ e, f)

    def fmg(self, f, cycles, level=0):
        return self.nested(f, cycles, level)[-1]

    def nested(self, f, cycles, level):
        """The solutions of the level and all below, coarsest first."""
        if level == len(self.A) - 1:
            return [np.linalg.solve(self.A[level], f)]
        below = self.nested(self.R[level] @ f, cycles, level + 1)
        best = below[-1]
        if len(below) > 1:  # u_h = u_2h + (u_2h - u_4h) / 4, up to the fourth power of h
            n = self.sizes[level + 1]
            taken = best.reshape(n, n)[1::2, 1::2].ravel()
            best = best + self.lagrange[level + 1] @ (taken - below[-2]) / 4
        u = self.lagrange[level] @ best
        for _ in range(cycles):
            u = self.cycle("V", level, u, f)
        return [*below, u]
