"""Dask engine: runs work items as tasks of a Dask cluster."""
