"""Commands that are imported when they run, and help that shows no Python types."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

WORDS = {
    "<bool>": "",
    "<float>": "NUMBER",
    "<int>": "NUMBER",
    "<path>": "FILE",
    "<str>": "TEXT",
}
"""What help shows for the value of an option, by the text that typer would show."""


class _PlainHelp:
    """Makes `--help` show NUMBER instead of `<int>`, and no value for a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with the names that `--help` shows."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            # typer before 0.20 shows INTEGER, and no value for a flag
            if not hasattr(parameter, "display_type"):
                continue
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = _nothing
            elif parameter.metavar is None:
                shown = parameter.display_type(ctx)
                parameter.metavar = WORDS.get(shown, shown.strip("<>"))
        return parameters


class Command(_PlainHelp, TyperCommand):
    """A command."""


class Group(_PlainHelp, TyperGroup):
    """A command that has subcommands."""


class LazyCommands(Mapping[str, Any]):
    """Commands by name; each is imported at its first look-up."""

    def __init__(self, places: Mapping[str, str], loaded: Mapping[str, Any]) -> None:
        """Take the places, as in LazyGroup, and the commands already loaded."""
        self._places = places
        self._loaded = dict(loaded)

    def __getitem__(self, name: str) -> Any:
        """The command of that name; KeyError if there is none."""
        if name not in self._loaded:
            module, attribute = self._places[name].split(":")
            self._loaded[name] = _command(
                name, getattr(import_module(module), attribute)
            )
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in the order in which help lists them."""
        return iter({**self._places, **self._loaded})

    def __len__(self) -> int:
        """Number of commands."""
        return len({**self._places, **self._loaded})


class LazyGroup(Group):
    """A group that imports a command only when it is needed."""

    places: ClassVar[Mapping[str, str]] = {}
    """Place of each command by name: `module:function`, or `module:app` of a group."""

    def __init__(self, **options: Any) -> None:
        """Take the arguments of any group."""
        super().__init__(**options)
        commands: Any = LazyCommands(self.places, self.commands)
        self.commands = commands

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order in which help lists them; nothing is imported."""
        return list(self.commands)


def _command(name: str, loaded: Any) -> Any:
    """The object that typer runs: a group for an app, a command for a function."""
    if isinstance(loaded, typer.Typer):
        group = typer.main.get_group(loaded)
        group.name = name
        return group
    single = typer.Typer(add_completion=False)
    single.command(name, cls=Command)(loaded)
    return typer.main.get_command(single)


def _nothing(ctx: Any) -> None:
    """No type for an argument, because its help says the type."""
