"""Models: encoders turn inputs into features, output layers turn features into probabilities."""
