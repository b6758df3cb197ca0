"""`python -m runner` is the same program as `proj`."""

from runner.cli.main import main

raise SystemExit(main())
