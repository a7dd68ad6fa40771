"""The command line: one command a file; nothing below this folder prints."""
