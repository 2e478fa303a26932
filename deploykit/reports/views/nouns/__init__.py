"""What a page or a table shows: plain values with their units in the names, ready to be formatted.

Whatever may be undefined is None, never NaN or infinite, so that every program can read the JSON form. An
SQNR of None with `equal` set means that both runs gave the same numbers.
"""
