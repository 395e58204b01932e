"""The same check in a terminal, with the same keys."""

import sys
import typing

from rich.console import Console
from rich.markup import escape

from . import agreement
from .concepts import Concepts
from .session import Session

HELP = "1–9 choose · Enter take the model's · a take all that are left · n later · r report · q end"


def keys() -> typing.Iterator[str]:
    """Key after key; where the input is no terminal, its characters."""
    if not sys.stdin.isatty():
        while read := sys.stdin.read(1):
            yield read
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        while read := sys.stdin.read(1):
            yield read
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def run(session: Session, asked: Concepts | None, blind: bool) -> None:
    console = Console(highlight=False)
    pressed = keys()
    console.print(f"[dim]{HELP}[/dim]")
    while (found := session.next()) is not None:
        i, drawn = found
        checked, _ = session.counts
        why = "drawn at random" if drawn == "random" else "unsure"
        console.rule(f"{checked} of {len(session.rows)} checked · this one is {why}")
        console.print(escape(session.labelled.words(i)), style="bold")
        if not text(session, console, pressed, i, drawn, asked, blind):
            return
    console.print("all texts are checked")


def text(
    session: Session,
    console: Console,
    pressed: typing.Iterator[str],
    i: int,
    drawn: str,
    asked: Concepts | None,
    blind: bool,
) -> bool:
    """Asks for each concept of a text that nobody checked; whether to go on."""
    labelled, all_of = session.labelled, False
    for name, classes in labelled.concepts.items():
        if labelled.checked(name, i) is not None:
            continue
        shares, label = labelled.shares(name, i), labelled.label(name, i)
        question = asked.concepts[name].question if asked and name in asked.concepts else ""
        options = []
        for number, each in enumerate(classes, 1):
            sure = f" {shares[each]:.0%}" if shares and not blind else ""
            mark = "[reverse]" if each == label and not blind else "[default]"
            options.append(f"{mark}{number} {escape(each)}{sure}[/]")
        console.print(f"  {escape(name)}: [dim]{escape(question)}[/dim]  " + "   ".join(options))
        while True:
            key = "\n" if all_of else next(pressed, "q")
            if key == "a" and not blind:
                key, all_of = "\n", True
            if key in "\r\n" and label is not None and not blind:
                session.say(i, name, label, drawn)
                break
            if key.isdecimal() and 1 <= int(key) <= len(classes):
                chosen = classes[int(key) - 1]
                session.say(i, name, chosen, drawn)
                console.print(f"    {escape(chosen)}")
                break
            if key == "q":
                return False
            if key == "n":
                session.later.add(i)
                return True
            if key == "r":
                for found in session.report():
                    console.print("    " + escape(agreement.told(found)))
            all_of = False
    return True
