"""What is sent for a text: the messages, and what constrains the answer."""

import dataclasses
import hashlib
import json
import typing

from .concepts import Concept, Concepts

SCHEMA, GRAMMAR, NONE = "schema", "grammar", "none"


@dataclasses.dataclass(frozen=True)
class Form:
    """How the server is asked; what it takes is found out with the first text."""

    model: str
    constraint: str  # SCHEMA, GRAMMAR or NONE
    log_probabilities: bool
    draws: int
    limit_name: str = "max_tokens"  # some hosted models call it max_completion_tokens

    @property
    def how(self) -> str:
        """Where probabilities come from, for the source column."""
        if self.log_probabilities:
            return "log probabilities"
        return f"{self.draws} draws" if self.draws > 1 else "1 draw"


@dataclasses.dataclass(frozen=True)
class Question:
    """What one request asks of a text."""

    about: str | None
    concepts: dict[str, Concept]
    alone: bool  # one concept a request

    def bare(self, form: Form) -> bool:
        """Whether the answer is the name of the class alone. A JSON schema needs an object."""
        return self.alone and form.constraint != SCHEMA


def questions(concepts: Concepts, alone: bool) -> list[Question]:
    if alone:
        return [Question(concepts.about, {name: concept}, True) for name, concept in concepts.concepts.items()]
    return [Question(concepts.about, concepts.concepts, False)]


def described(name: str, concept: Concept) -> str:
    classes = "\n".join(f"- {each}: {sentence}" for each, sentence in concept.classes.items())
    return f"{name}: {concept.question}\n{classes}"


def turns(question: Question) -> dict[str, dict[str, str]]:
    """Example texts that have an answer to everything that is asked: shown as if they had been asked before."""
    answers: dict[str, dict[str, str]] = {}
    for name, concept in question.concepts.items():
        for example in concept.examples:
            answers.setdefault(example.text, {})[name] = example.answer
    return {text: given for text, given in answers.items() if len(given) == len(question.concepts)}


def messages(question: Question, text: str, form: Form) -> list[dict[str, str]]:
    shown = turns(question)
    bare = question.bare(form)
    names = list(question.concepts)
    parts = ["You label texts." + (f" Each text is this: {question.about}" if question.about else "")]
    for name, concept in question.concepts.items():
        parts.append(described(name, concept))
        parts += [f'Example: "{one.text}" -> {one.answer}' for one in concept.examples if one.text not in shown]
    if bare:
        parts.append(
            f"Answer with one of these words and nothing else: {', '.join(question.concepts[names[0]].classes)}."
        )
    else:
        form_of = ", ".join(f'"{name}": "…"' for name in names)
        parts.append(f"Answer with JSON and nothing else: {{{form_of}}}, each with one of the names above.")
    result = [{"role": "system", "content": "\n\n".join(parts)}]
    for example, given in shown.items():
        answer = given[names[0]] if bare else json.dumps({name: given[name] for name in names}, ensure_ascii=False)
        result += [{"role": "user", "content": example}, {"role": "assistant", "content": answer}]
    return [*result, {"role": "user", "content": text}]


def schema(question: Question) -> dict[str, typing.Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", "enum": list(one.classes)} for name, one in question.concepts.items()},
        "required": list(question.concepts),
        "additionalProperties": False,
    }


def grammar(question: Question) -> str:
    """The same for llama.cpp, in GBNF. Names hold neither quotation marks nor backslashes."""

    def one_of(concept: Concept) -> str:
        return "(" + " | ".join(f'"{each}"' for each in concept.classes) + ")"

    if question.alone:
        return f"root ::= {one_of(next(iter(question.concepts.values())))}"
    fields = ' ", " '.join(f'"\\"{name}\\": \\"" {one_of(one)} "\\""' for name, one in question.concepts.items())
    return f'root ::= "{{" {fields} "}}"'


def body(question: Question, text: str, form: Form, draw: int) -> dict[str, typing.Any]:
    """A request to /chat/completions."""
    names = sum(len(name) + max(map(len, one.classes)) + 8 for name, one in question.concepts.items())
    result: dict[str, typing.Any] = {
        "model": form.model,
        "messages": messages(question, text, form),
        form.limit_name: 16 + names,
        "temperature": 0.0 if form.draws == 1 else 1.0,
        "seed": draw,
    }
    if form.log_probabilities:
        result |= {"logprobs": True, "top_logprobs": 20}
    if form.constraint == SCHEMA:
        named = {"name": "labels", "strict": True, "schema": schema(question)}
        result["response_format"] = {"type": "json_schema", "json_schema": named}
    elif form.constraint == GRAMMAR:
        result["grammar"] = grammar(question)
    return result


def key(request: dict[str, typing.Any]) -> str:
    """The same for requests that ask the same."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
