"""Commands that are imported when they run, and help that shows no Python types."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
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


class _PlainParameters:
    """Parameters that start quickly, and whose help says NUMBER instead of `<int>`."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with the names that `--help` shows."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            own = getattr(parameter, "get_runtime_param", None)
            if own and "get_runtime_param" not in vars(parameter):
                vars(parameter)["get_runtime_param"] = partial(_Unchanged, own)
            # typer before 0.20 shows INTEGER, and no value for a flag
            if not hasattr(parameter, "display_type"):
                continue
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = _nothing
            elif parameter.metavar is None:
                shown = parameter.display_type(ctx)
                parameter.metavar = WORDS.get(shown, shown.strip("<>"))
        return parameters


@dataclass(frozen=True, slots=True)
class _Unchanged:
    """Takes values that need no check; typer checks others by pydantic.

    To import pydantic takes a fifth of the time that `mrl-pg indexes` does.
    """

    own: Callable[[], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value of a parameter, which is none, a default, or from the shell."""
        known, single = param.type_descriptor, param.nargs == 1 and not param.multiple
        right = type(value) is known.annotation and known.parameter_info.parser is None
        plain = right and (type(value) is str or value is param.default)
        if single and (value is None or plain):
            return value
        return self.own().coerce(value, param, ctx)


class Command(_PlainParameters, TyperCommand):
    """A command."""


class Group(_PlainParameters, TyperGroup):
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

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, which reads the docstrings of commands and imports none."""
        loaded, self.commands = self.commands, self._described()
        super().format_help(ctx, formatter)
        self.commands = loaded

    def _described(self) -> dict[str, Any]:
        """Commands that only have a name and a help text."""
        return {
            name: TyperCommand(name, help=_docstring(place))
            for name, place in self.places.items()
        }


def _docstring(place: str) -> str | None:
    """The docstring of a command's function, or of a group's callback, in its file."""
    module, attribute = place.split(":")
    loader: Any = getattr(find_spec(module), "loader", None)
    for node in ast.parse(loader.get_source(module) or "").body:
        if isinstance(node, ast.FunctionDef) and (
            node.name == attribute
            or f"{attribute}.callback()" in map(ast.unparse, node.decorator_list)
        ):
            return ast.get_docstring(node)
    return None


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
