"""The program `pagemill`, also as `python -m pagemill`."""

from __future__ import annotations

from pagemill.config.import_path import leave_out_current_folder


def main() -> None:
    """Run the command line, without executing anything in the current folder."""
    leave_out_current_folder()
    from pagemill.cli.main import app  # noqa: PLC0415 -- from here on, imports are safe

    app()


if __name__ == "__main__":
    main()
