"""``python -m fairkd`` is the command line ``fairkd``."""

from fairkd.run.cli import main

if __name__ == "__main__":
    main()
