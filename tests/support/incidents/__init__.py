"""An incident: an alert, the page, the runbook."""
