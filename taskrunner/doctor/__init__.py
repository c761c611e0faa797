"""Is this interpreter fit to run nodes in parallel, and which modules would spoil that: ``taskrunner doctor``."""
