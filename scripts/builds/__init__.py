"""The same graphs on several builds of CPython: what ``compare_builds.py`` is made of."""
