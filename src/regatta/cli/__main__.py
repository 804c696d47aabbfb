"""``python -m regatta.cli`` is ``regatta``."""

from regatta.cli import main

main()
