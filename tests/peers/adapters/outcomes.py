"""What an item can come to; the numbers that data files hold. Nothing is imported, so every environment reads it."""

BOTH_WRONG, BOTH_RIGHT, LOST, WON = 0, 1, 2, 3
"""Both wrong; both right; baseline right and candidate wrong; the reverse."""

PASS, FAIL, UNDECIDED = "P", "F", "U"
ERROR = "E"
"""The peer refused to judge, by an exception."""
