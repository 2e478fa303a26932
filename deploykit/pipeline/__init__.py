"""Decides what has to run, runs it, and keeps the record."""
