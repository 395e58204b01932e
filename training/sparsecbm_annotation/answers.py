"""What an answer says: a class of each concept, strictly read, and how probable each class was."""

import json
import math
import re
import typing

from sparsecbm_training.table import short

from .concepts import Concept
from .prompts import Form, Question
from .server import Reply

Shares = dict[str, float]  # of each class, 1 in all


class Unusable(Exception):
    """Why an answer says nothing that can be used."""


def read(question: Question, reply: Reply, form: Form) -> dict[str, Shares]:
    """The probabilities of each concept's classes, for the concepts that the answer names rightly. Raises Unusable
    where it names none."""
    if reply.finish == "length":
        raise Unusable(f"it was cut off: {short(reply.content)}")
    said = classes(question, reply.content, form)
    result = {}
    for name, chosen in said.items():
        shares = None
        if form.log_probabilities and reply.tokens:
            shares = probabilities(reply, start_of(question, name, reply.content, form), question.concepts[name])
        result[name] = shares or {each: float(each == chosen) for each in question.concepts[name].classes}
    return result


def classes(question: Question, content: str, form: Form) -> dict[str, str]:
    """The class of each concept, as far as there is one of that very name; capitals do not count."""
    if question.bare(form):
        name, concept = next(iter(question.concepts.items()))
        if chosen := meant(content.strip().strip("\"'.").strip(), concept):
            return {name: chosen}
        raise Unusable(f"found {short(content)}; expected one of {', '.join(concept.classes)}")
    try:
        given = json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Unusable(f"it is no JSON: {short(content)}") from error
    if not isinstance(given, dict):
        raise Unusable(f"found {short(content)}; expected a JSON object")
    result = {}
    for name, concept in question.concepts.items():
        if chosen := meant(given.get(name), concept):
            result[name] = chosen
    if not result:
        raise Unusable(f"it names no class: {short(content)}")
    return result


def meant(given: typing.Any, concept: Concept) -> str | None:
    if not isinstance(given, str):
        return None
    return next((each for each in concept.classes if each.casefold() == given.strip().casefold()), None)


def start_of(question: Question, name: str, content: str, form: Form) -> int:
    """Where in the answer the name of the class begins."""
    if question.bare(form):
        return len(content) - len(content.lstrip("\"' \n\t"))
    found = re.search(re.escape(json.dumps(name, ensure_ascii=False)) + r'\s*:\s*"\s*', content)
    return found.end() if found else len(content)


def probabilities(reply: Reply, start: int, concept: Concept) -> Shares | None:
    """How probable each class was, from the alternatives at each token of its name: where they lead to one class, it
    gets their share; where to several, these share it. What leads to none is left out, and the rest brought to 1.
    None where the tokens do not spell the answer."""
    if "".join(token.text for token in reply.tokens) != reply.content:
        return None
    shares = dict.fromkeys(concept.classes, 0.0)
    possible, here, said, position = list(concept.classes), 1.0, "", 0
    for token in reply.tokens:
        before, position = position, position + len(token.text)
        if position <= start:
            continue
        ahead = reply.content[before:start]  # what of this token stands before the name
        for other in token.alternatives:
            if other.text != token.text and (other.text.startswith(ahead) or ahead.isspace()):
                led = leads(said + other.text.removeprefix(ahead), possible)
                for each in led:
                    shares[each] += here * math.exp(other.log_probability) / len(led)
        here *= math.exp(token.log_probability)
        said += token.text[len(ahead) :]
        possible = leads(said, possible)
        if len(possible) < 2:
            break
    for each in possible:
        shares[each] += here / len(possible)
    total = sum(shares.values())
    return {each: share / total for each, share in shares.items()} if total > 1e-9 else None


def leads(said: str, possible: list[str]) -> list[str]:
    """The classes that this beginning can become."""
    begun = said.lstrip().casefold()
    ended = re.split(r"[\"\n.]", begun)[0].rstrip() if re.search(r"[\"\n.]", begun) else None
    if not begun:
        return []
    if ended in [each.casefold() for each in possible]:
        return [each for each in possible if each.casefold() == ended]
    return [each for each in possible if each.casefold().startswith(begun)]


def together(drawn: list[Shares]) -> Shares:
    """The mean of several draws."""
    return {each: sum(shares[each] for shares in drawn) / len(drawn) for each in drawn[0]}
