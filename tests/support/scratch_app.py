"""A scratch application with Alembic, used by the command `alembic`."""

import io
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from subprocess import CompletedProcess

from alembic import command
from alembic.config import Config

from support.command import alembic
from support.scratch import sqlalchemy_url


@dataclass(frozen=True)
class App:
    """An application that `alembic init` makes, and its command."""

    folder: Path
    url: str

    @classmethod
    def start(
        cls,
        folder: Path,
        url: str,
        *,
        template: str = "generic",
        options: str = "",
        driver: str = "psycopg",
    ) -> "App":
        """`alembic init`, and the lines in env.py and alembic.ini that a user adds."""
        app = cls(folder, url)
        config = Config(str(folder / "alembic.ini"), stdout=io.StringIO())
        command.init(config, str(folder / "alembic"), template)
        app.edit(
            "alembic.ini",
            "driver://user:pass@localhost/dbname",
            sqlalchemy_url(url, driver).replace("%", "%%"),
        )
        app.edit(
            "alembic/env.py",
            "target_metadata = None",
            "import mrl_pg.alembic\nfrom models import Base\n\n"
            "mrl_pg.alembic.register()\n"
            "target_metadata = Base.metadata",
        )
        if options:
            online = "connection=connection, target_metadata=target_metadata"
            app.edit("alembic/env.py", online, f"{online}, {options}")
        return app

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text that must be there."""
        path = self.folder / name
        text = path.read_text()
        assert old in text, f"{name}: no {old!r}"
        write_module(path, text.replace(old, new))

    def models(self, text: str) -> None:
        """Write models.py."""
        write_module(self.folder / "models.py", text)

    def run(self, *commands: str) -> CompletedProcess[str]:
        """Run `alembic …`; several commands one after the other, which saves time."""
        return alembic(self.folder, *(command.split() for command in commands))

    def alembic(self, *commands: str) -> str:
        """Run `alembic …`, which must succeed; returns its output."""
        done = self.run(*commands)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def revise(self, *then: str) -> str:
        """`alembic revision --autogenerate`, then other commands; returns the text."""
        versions = self.folder / "alembic" / "versions"
        before = set(versions.glob("*.py"))
        name = f"r{len(before) + 1}"
        revision = f"revision --autogenerate -m {name} --rev-id {name}"
        self.alembic(revision, *then)
        (path,) = set(versions.glob("*.py")) - before
        text = path.read_text()
        compile(text, path, "exec")
        return text


def write_module(path: Path, text: str) -> None:
    """Write a module and forget what was compiled of it.

    Python takes a compiled module for new if its source has the same size and was
    written in the same second.
    """
    path.write_text(text)
    Path(cache_from_source(path)).unlink(missing_ok=True)
