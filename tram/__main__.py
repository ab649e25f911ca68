"""`python -m tram`: the command, for whoever starts it as a child process."""

from tram.cli import main

if __name__ == "__main__":
    main()
