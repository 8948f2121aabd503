"""Where the commands print: what they say holds names of files, which are no markup."""

from rich.console import Console

__all__ = ["plain_console"]


def plain_console(*, quiet: bool = False) -> Console:
    """A console that prints text as it is.

    Brackets and colons of a path stand for themselves, and a long line is not broken, so that it can be copied.
    """
    return Console(soft_wrap=True, markup=False, emoji=False, quiet=quiet)
