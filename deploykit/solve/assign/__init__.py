"""One option for each item: least of one measure with limits on others."""
