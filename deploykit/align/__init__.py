"""Any board dump beside any reference: needs Python and numpy only, so that it also ships as one file."""
