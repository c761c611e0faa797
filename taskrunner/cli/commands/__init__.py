"""Subcommands of ``taskrunner``, one per module."""
