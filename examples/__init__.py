"""Programs that use ``taskrunner`` as a library: to read, to run and to copy from."""
