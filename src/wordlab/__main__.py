"""`python -m wordlab` is the command `wordlab`."""

from wordlab.cli.app import main

if __name__ == "__main__":
    main()
