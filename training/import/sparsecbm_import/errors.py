"""What goes wrong with what was given."""


class Refused(Exception):
    """Says which file or tensor, what was found, and what was expected."""

    def __init__(self, place, found, expected):
        super().__init__(f"{place}: {found}; expected {expected}")
