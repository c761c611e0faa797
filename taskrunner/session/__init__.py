"""Sessions: one call of ``taskrunner.run``, from its options to its result."""
