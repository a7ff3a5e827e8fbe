"""The command line: `python -m notes add …`, `python -m notes find …`."""

import argparse
import asyncio

from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from mrl_pg.sqlalchemy import register
from notes.app import add, find
from notes.database import url


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m notes")
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="add a note")
    adding.add_argument("text")
    adding.add_argument("--tag", action="append", default=[])
    finding = commands.add_parser("find", help="find notes by meaning")
    finding.add_argument("text")
    finding.add_argument("--tag")
    finding.add_argument("-k", type=int, default=3)
    return parser.parse_args()


async def main(given: argparse.Namespace) -> None:
    """Run the command that was typed."""
    engine = create_async_engine(url())
    register(engine)
    async with AsyncSession(engine) as session:
        if given.command == "add":
            await add(session, given.text, given.tag)
        else:
            for note, far in await find(session, given.text, tag=given.tag, k=given.k):
                print(f"{far:.2f}  {note.text}", *(f"#{tag.name}" for tag in note.tags))
    await engine.dispose()


asyncio.run(main(arguments()))
