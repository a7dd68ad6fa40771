"""The one exception that users see: what is wrong, where, and how to mend it."""


class WordlabError(Exception):
    """Something the user can mend; the command line prints it as one line and exits with 2.

    Args:
        what: the fault, in plain words.
        where: file:line:column, a setting's full name, or a path; empty where none applies.
        mend: what the user can do about it; empty where it is plain from `what`.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what = what
        self.where = where
        self.mend = mend
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        mend = f"; {self.mend}" if self.mend else ""
        return " ".join(f"{place}{self.what}{mend}".split("\n"))
