"""The whole system, from its doors to what it sends; a package, so that its stack ends with it."""
