"""The command `sparsecbm`: the one of the Rust program, and the programs of training, which are Python's."""

import importlib.util
import os
import signal
import subprocess
import sys

from ._sparsecbm import run

ANNOTATION = (
    "httpx",
    "pandas",
    "pydantic",
    "rich",
    "ruamel",
    "starlette",
    "statsmodels",
    "tenacity",
    "tqdm",
    "uvicorn",
)
TRAINING = {
    # Command: its module, the extra that installs what it needs, and those of its needs that are no part of Python.
    "train": (
        "sparsecbm_training",
        "train",
        ("torch", "tokenizers", "safetensors", "pandas", "pyarrow", "jinja2", "tqdm"),
    ),
    "annotate": ("sparsecbm_annotation", "annotate", ANNOTATION),
    "check": ("sparsecbm_annotation", "annotate", ANNOTATION),
}
HELP = """
Commands of the Python package:
  train     Train a model on a table of labelled texts
  annotate  Have a language model label concepts
  check     Check such labels by hand
"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in TRAINING:
        return run_training(given[0], given[1:])
    # Ctrl-C ends the command at once, as it does the Rust program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code = run(["sparsecbm", *given])
    if given in ([], ["help"], ["-h"], ["--help"]):
        print(HELP, end="", file=sys.stdout if given else sys.stderr)
    return code


def missing(command: str) -> str:
    """The modules that a program of training lacks, by commas; nothing where it can run."""
    module, _, needed = TRAINING[command]
    return ", ".join(name for name in (module, *needed) if importlib.util.find_spec(name) is None)


def training_process(command: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """What runs a program of training: a command line and its environment."""
    module = TRAINING[command][0]
    of_module = [command] if module == "sparsecbm_annotation" else []
    # Batches differ in size, so the allocator would give memory back and ask for it again at every step: that costs as
    # much as the arithmetic. It reads this when a process starts.
    allocator = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
    environment = allocator | dict(os.environ) | {"SPARSECBM_PROGRAM": f"sparsecbm {command}"}
    return [sys.executable, "-m", module, *of_module, *arguments], environment


def run_training(command: str, arguments: list[str]) -> int:
    """Runs a program of training in a process of its own, or says what is missing."""
    if lacking := missing(command):
        extra = TRAINING[command][1]
        print(
            f"error: sparsecbm {command}: not installed: {lacking}; pip install 'sparsecbm[{extra}]'", file=sys.stderr
        )
        return 2
    program, environment = training_process(command, arguments)
    if os.name == "posix":
        sys.stdout.flush()
        os.execve(program[0], program, environment)
    return subprocess.run(program, env=environment).returncode
