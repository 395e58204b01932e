"""python -m sparsecbm_annotation annotate|check …"""

import sys

from sparsecbm_training.table import DataError

from . import annotate, options
from .server import ServerError

COMMANDS = ("annotate", "check")


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] not in COMMANDS:
        print(f"error: expected one of {', '.join(COMMANDS)}; --help behind it says more", file=sys.stderr)
        return 2
    try:
        read = options.parse(given[0], given[1:])
        if given[0] == "annotate":
            return annotate.command(read)
        from . import check  # what it needs is not needed to annotate

        return check.command(read)
    except (DataError, ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
