"""Views of a run, and the table, the page and the trace that show them."""
