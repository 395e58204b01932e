"""Labels concepts in texts with a language model, and lets a person check what it said."""

import os


def program(command: str) -> str:
    """What a person types for a command, from a clone or from the package."""
    packaged = os.environ.get("SPARSECBM_PROGRAM", "").startswith("sparsecbm ")
    return f"sparsecbm {command}" if packaged else f"training/{command}"
