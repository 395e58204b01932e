"""The stub describes the native module: every name has one description, there and at run time."""

import ast
import inspect
import pathlib

import sparsecbm
from sparsecbm import _sparsecbm

STUB = pathlib.Path(sparsecbm.__file__).with_name("_sparsecbm.pyi")


def described() -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name,] = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                # Of overloads the last one is described.
                if isinstance(member, ast.FunctionDef):
                    found[node.name, member.name] = ast.get_docstring(member) or ""
    return found


def test_descriptions_are_those_of_the_module() -> None:
    for names, text in described().items():
        found: object = _sparsecbm
        for name in names:
            found = getattr(found, name)
        if not names[-1].startswith("_"):
            assert text and inspect.cleandoc(found.__doc__ or "") == text, names


def test_every_public_name_is_described() -> None:
    known = described()
    for name in sparsecbm.__all__:
        if name == "SparseCbmError":
            continue
        assert (name,) in known
        made = getattr(_sparsecbm, name)
        if inspect.isclass(made):
            for member in vars(made):
                if not member.startswith("_"):
                    assert (name, member) in known
