"""Every fact of Steward: declared once, named for the wire, readable by anyone."""
