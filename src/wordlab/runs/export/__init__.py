"""Trained taggers for others: without their training text, and for programs without wordlab."""
