"""``python -m taskrunner``."""

from taskrunner.cli.main import main

if __name__ == "__main__":
    main()
