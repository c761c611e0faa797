"""Who is told of a run. Everything here is made from its events or its summary; no threads."""
