"""Every failure of the package."""


class SparseCbmError(Exception):
    """What went wrong, in which place, what was found there and what was expected.

    `kind` is `io`, `format`, `version`, `model`, `input`, `engine` or `unavailable`: what a caller can do about it.
    The message reads `PLACE: found FOUND, expected EXPECTED`.
    """

    kind: str
    place: str
    found: str
    expected: str

    def __init__(self, kind: str, place: str, found: str, expected: str) -> None:
        super().__init__(kind, place, found, expected)
        self.kind, self.place, self.found, self.expected = kind, place, found, expected

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}, expected {self.expected}"
