"""Many runs of one graph under different schedules, to find what depends on the schedule."""
