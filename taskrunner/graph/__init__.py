"""Task graph: the schema of graph files, their codecs and the linked graph. Independent of threads."""
