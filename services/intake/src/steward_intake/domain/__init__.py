"""The pure logic of cases and of the registry."""
