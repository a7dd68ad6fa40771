"""Whether a property of words can be read off a layer."""
