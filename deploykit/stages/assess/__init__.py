"""Assess: can chips run networks? Not a step: it plans with drafts, and writes nothing."""
