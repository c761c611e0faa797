"""Simulation of a recorded run on other numbers of workers."""
