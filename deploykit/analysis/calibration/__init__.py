"""Fit the time model's rates to measured networks, and say how far they hold."""
