"""On-chip banks: what each tensor would save there, how it can be kept there, and a replay of the choice."""
