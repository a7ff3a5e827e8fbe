"""The command `mrl-pg`, which needs the extra `mrl_pg[cli]`."""

import sys


def main() -> None:
    """Run the command line and exit."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError:
        print("error: install 'mrl_pg[cli]'", file=sys.stderr)
        sys.exit(1)
    from mrl_pg.cli.app import run

    sys.exit(run())
