"""The one error that a user's input can raise: it names the file, the place in it, and the remedy."""

from pathlib import Path


class InputError(ValueError):
    """Bad input from outside: a file, a config value, a network answer.

    Args:
        problem: what is wrong, in one clause.
        file: the file (or URL, or config) at fault.
        place: where in it (line, column, record, sample, key); empty if the whole file is at fault.
        remedy: what the user can do about it.
    """

    def __init__(self, problem: str, *, file: object, place: str = "", remedy: str) -> None:
        self.problem, self.file, self.place, self.remedy = problem, str(file), place, remedy
        where = f"{file}, {place}" if place else str(file)
        super().__init__(f"{where}: {problem}. Remedy: {remedy}")


def as_given(error: InputError, folder: Path, given: str) -> InputError:
    """Return the error of a raw file with the user's own, of which it is a copy, named before it.

    Args:
        folder: the raw folder; errors of files elsewhere are returned as they are.
        given: the user's folder or file, as the config has it.
    """
    copy = Path(error.file)
    if not copy.is_relative_to(folder):
        return error
    inside = copy.relative_to(folder)
    file = Path(given) if Path(given).name == str(inside) else Path(given) / inside
    return InputError(error.problem, file=f"{file} (copied to {copy})", place=error.place, remedy=error.remedy)
