"""Example programs that use ``taskrunner`` as a library."""
