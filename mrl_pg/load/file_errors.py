"""The error that every reader raises for a damaged file."""

from collections.abc import Iterator
from contextlib import contextmanager

from mrl_pg.errors import InvalidFile, MrlError


@contextmanager
def as_invalid_file(name: str, what: str) -> Iterator[None]:
    """Turn any error of a library that reads a damaged file into InvalidFile.

    Every Exception is caught, because the libraries raise many types for damaged
    bytes, from OverflowError to RuntimeError.
    """
    try:
        yield
    except InvalidFile as error:
        if name in str(error):
            raise
        raise InvalidFile(f"{name}: {error}") from error
    except MrlError:
        raise
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        # hide the advice of NumPy to allow pickles, because they can run code
        why = "it is damaged" if "pickle" in said else said
        raise InvalidFile(f"{name} is not a valid {what} file: {why[:300]}") from error
