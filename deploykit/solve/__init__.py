"""Optimisation on integers: problems, methods, and validators that trust neither."""
