"""What every place says in each scenario: `python -m tests.programs.scenarios --publish`."""
