"""Entity taggers: features of words, encoders over windows and sentences, tags and their chains."""
