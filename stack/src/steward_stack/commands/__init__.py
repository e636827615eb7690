"""The commands that live in modules of their own: each has a typer `app`."""
