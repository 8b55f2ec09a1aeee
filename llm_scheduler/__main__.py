"""``python -m llm_scheduler`` is the same as the command ``llm-scheduler``."""

import sys

from llm_scheduler.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
