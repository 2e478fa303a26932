"""In which order to run the nodes of a graph so that the fewest bytes are alive at any time."""
