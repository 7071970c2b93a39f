"""The one error that a user's input can raise: it names the file, the place in it, and the remedy."""


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
