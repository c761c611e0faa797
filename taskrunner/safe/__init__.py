"""Safe handling of untrusted and private data: names on a terminal, files of one user, secrets."""
