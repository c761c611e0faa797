"""Stylesheets and scripts of the pages."""
