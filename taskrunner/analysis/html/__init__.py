"""Self-contained HTML pages: the basis of the report and of a comparison."""
