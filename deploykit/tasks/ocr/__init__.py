"""Reading text: rendered pages through a detector, a direction classifier and a recogniser."""
