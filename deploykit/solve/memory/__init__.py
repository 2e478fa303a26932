"""Packing of lifetimes into one block of memory."""
