"""Self-contained pages of HTML: what the report and a comparison stand on."""
