"""Commands that are imported when they are run, and help without names of types."""

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
"""What help calls the value of an option, where typer names a type of Python."""


class _PlainHelp:
    """Makes `--help` say NUMBER in place of `<int>`, and nothing of what is a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, called what a reader of `--help` should see."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            # typer before 0.20 says INTEGER, and nothing of a flag
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
    """A command with commands of its own."""


class LazyCommands(Mapping[str, Any]):
    """Commands by name, each imported when it is looked up for the first time."""

    def __init__(self, places: Mapping[str, str], loaded: Mapping[str, Any]) -> None:
        """Take `module:function`, or `module:app` of a group; and what is there."""
        self._places = places
        self._loaded = dict(loaded)

    def __getitem__(self, name: str) -> Any:
        """The command; KeyError when there is none."""
        if name not in self._loaded:
            module, attribute = self._places[name].split(":")
            self._loaded[name] = _made(name, getattr(import_module(module), attribute))
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in the order in which help lists them."""
        return iter({**self._places, **self._loaded})

    def __len__(self) -> int:
        """How many there are."""
        return len({**self._places, **self._loaded})


class LazyGroup(Group):
    """A group whose commands are imported one by one."""

    places: ClassVar[Mapping[str, str]] = {}
    """Name of each command, and where it is: `module:function`, `module:app`."""

    def __init__(self, **options: Any) -> None:
        """Take what any group takes."""
        super().__init__(**options)
        commands: Any = LazyCommands(self.places, self.commands)
        self.commands = commands

    def list_commands(self, ctx: Any) -> list[str]:
        """Names, in the order in which help lists them; nothing is imported."""
        return list(self.commands)


def _made(name: str, found: Any) -> Any:
    """What typer runs: a group of an app, or a command of a function."""
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=Command)(found)
    return typer.main.get_command(alone)


def _nothing(ctx: Any) -> None:
    """The type of an argument, which its help says."""
