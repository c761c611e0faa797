"""The parts of ``scripts/bench.py``, ``scripts/million.py`` and ``scripts/startup.py``: one noun a module."""
