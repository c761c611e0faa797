"""What to run: the file's schema, its codecs, the linked graph. Nothing here knows of threads."""
