"""Boolean functions by threshold units: what a linear unit computes, and what not."""
