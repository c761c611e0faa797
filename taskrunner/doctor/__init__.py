"""``taskrunner doctor``: a check that this interpreter and the imported modules run nodes without the GIL."""
