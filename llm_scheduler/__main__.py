"""``python -m llm_scheduler`` is the same as the command ``llm-scheduler``."""

import sys

from llm_scheduler.cli.main import main

if __name__ == "__main__":
    status = main()
    # Python remembers a Ctrl-C that arrived while source text was executed (as every named
    # tuple does at import), also one that was handled, and then "python -m" dies of SIGINT
    # instead of returning the status. Only executing source text again makes it forget.
    exec("")  # noqa: S102 - nothing is executed
    sys.exit(status)
