"""``python -m dorm_vector`` is the command ``dorm-vector``."""

import sys

from .commands.main import main

if __name__ == "__main__":
    sys.exit(main())
