"""Runs the command line as `python -m credit_service`."""

from credit_service.cli import main

if __name__ == "__main__":
    main()
