"""What whole clips show that single frames do not: order of frames, state between them, error over time."""
