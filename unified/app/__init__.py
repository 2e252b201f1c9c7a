"""The application: the command `vcycle`, its demo and its report. Nothing imports it."""
