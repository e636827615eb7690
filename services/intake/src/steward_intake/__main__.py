"""Run intake."""

from steward_intake.app import service
from steward_intake.settings import Settings

service(Settings()).run()
