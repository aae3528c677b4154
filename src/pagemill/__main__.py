"""The program `pagemill`, also as `python -m pagemill`."""

from __future__ import annotations

from pagemill.cli.main import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
