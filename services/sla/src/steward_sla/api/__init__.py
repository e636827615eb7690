"""What calls sla: requests, and the facts of others."""
