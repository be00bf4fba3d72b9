"""``python -m infra.local``: the commands behind the Makefile's targets."""

from infra.local.cli import main

if __name__ == "__main__":
    main()
