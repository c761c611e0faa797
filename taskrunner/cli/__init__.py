"""Command line, built on click: the only package that prints or exits."""
