import numpy as np

from pde.kernels import arrays

SHAPE, DTYPE = (1, 1, 512, 700), np.dtype(np.float64)


def test_memory_returns_when_nothing_refers_to_it():
    arrays.release()
    x = arrays.empty(SHAPE, DTYPE)
    where = x.data_ptr()
    assert arrays.empty(SHAPE, DTYPE).data_ptr() != where
    row = x[0, 0, 3]
    del x
    assert arrays.empty(SHAPE, DTYPE).data_ptr() != where, "a view is still there"
    del row
    again = {arrays.empty(SHAPE, DTYPE).data_ptr() for _ in range(3)}
    assert where in again


def test_release_spares_what_is_in_use():
    arrays.release()
    x = arrays.empty(SHAPE, DTYPE).fill_(3.0)
    arrays.empty(SHAPE, DTYPE)
    assert arrays.release() >= x.nbytes
    assert (x == 3).all()


def test_small_ones_are_not_kept():
    before = len(arrays._blocks)
    arrays.empty((3, 4), DTYPE)
    assert len(arrays._blocks) == before
