"""One way for every reader to say that a file is not what its name says."""

from collections.abc import Iterator
from contextlib import contextmanager

from mrl_pg.errors import InvalidFile, MrlError


@contextmanager
def as_invalid_file(name: str, what: str) -> Iterator[None]:
    """Turns whatever a library raises on a broken file into InvalidFile.

    Parsers of foreign bytes raise almost anything, from OverflowError to RuntimeError;
    none of it is about the program that called them.
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
        # no library shall advise to run what a file says
        why = "it is damaged" if "pickle" in said else said
        raise InvalidFile(f"{name} is not a valid {what} file: {why[:300]}") from error
