"""The command check: a person looks at labels, and it is said how often they agree with the model."""

import argparse

from . import agreement, concepts, page, terminal
from .labelled import Labelled
from .session import Session


def command(given: argparse.Namespace) -> int:
    labelled = Labelled.read(given.data, given.text, given.encoding)
    asked = concepts.read(given.concepts) if given.concepts else None
    session = Session(labelled, given.random, given.seed)
    if given.terminal:
        terminal.run(session, asked, given.blind)
    elif not given.report:
        page.serve(session, asked, given.blind, given.port, not given.no_open)
    checked, at_random = session.counts
    print(
        f"{checked:,} of {len(session.rows):,} texts are checked, {at_random:,} of them drawn at random, "
        "which tell (95 % intervals):"
    )
    for each in session.report():
        print("  " + agreement.told(each))
    return 0
