"""What visits does about what it hears."""
