"""Schedule search: many runs of one graph under different schedules, to find results that depend on the schedule."""
