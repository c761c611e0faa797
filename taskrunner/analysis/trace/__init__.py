"""Export of a recorded run to trace viewers and trace collectors."""
