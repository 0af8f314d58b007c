"""python3 -m sluice_client is the command sluice-rows."""

import sys

from .command import main

sys.exit(main())
