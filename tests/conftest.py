"""Fixtures that every folder of tests may use."""

from hypothesis import settings

# A busy machine is no failure: tests have their own limit.
settings.register_profile("steward", deadline=None)
settings.load_profile("steward")

pytest_plugins = ["tests.support.stack", "tests.support.system"]
