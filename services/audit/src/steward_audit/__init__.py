"""Says whether every promise between the services was kept."""
