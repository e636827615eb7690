"""One module per subject: `MEASURES`, by name, and the `LINES` made of their figures."""
