"""Castoff: which container started on this node, what is it, and who or what caused it."""

__version__ = "0.1.0"
