"""Reuse of earlier results: the result cache, up-to-date commands, and fingerprints of callables."""
