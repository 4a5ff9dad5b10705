"""Pictures of the status page, of real traffic: `python -m tests.programs.screens`."""
