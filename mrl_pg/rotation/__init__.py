"""Rotations that put what tells rows apart into the leading dimensions.

Rows and queries are rotated by one orthogonal matrix, so every distance between full
vectors stays as it was, and the prefixes of any model's vectors become useful.
"""

from mrl_pg.rotation.fit import METHODS, Method, fit
from mrl_pg.rotation.value import Provenance, Rotation

__all__ = ["METHODS", "Method", "Provenance", "Rotation", "fit"]
