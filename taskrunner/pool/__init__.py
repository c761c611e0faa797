"""Who works: a work-stealing pool of threads. It knows items, never a graph."""
