"""Trained runs as a web service on one's own machine: a JSON API and one page."""
