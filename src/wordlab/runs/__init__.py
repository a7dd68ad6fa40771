"""A run is a folder: settings, vocabulary, weights, history; every later command starts from it."""
