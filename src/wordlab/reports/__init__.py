"""Reports: all there is to say about a run, gathered in sections, written in one file."""
