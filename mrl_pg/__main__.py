"""Runs the command line as `python -m mrl_pg`."""

from mrl_pg.cli import main

if __name__ == "__main__":
    main()
