"""Takes cases in and keeps their whole story, and the registry of groups, projects, households and people."""
