"""Hidden units: what they answer to, what they are good for, what a class looks like to them."""
