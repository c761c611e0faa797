"""One node: finding its callable, filling in its arguments, running its command."""
