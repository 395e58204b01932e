"""`python -m sparsecbm`: the command."""

import sys

from ._command import main

sys.exit(main())
