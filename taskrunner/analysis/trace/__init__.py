"""A recorded run for the programs that read traces."""
