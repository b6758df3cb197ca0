"""`python -m runner` is the same program as `proj`."""

from runner.cli.main import entry

if __name__ == "__main__":
    entry()
