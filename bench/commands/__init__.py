"""The subcommands as the terminal sees them: options and their checks. What measures is imported when one runs."""
