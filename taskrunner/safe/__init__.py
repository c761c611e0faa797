"""What comes from elsewhere and goes elsewhere: names on a terminal, files that are one user's, secrets."""
