"""What notify calls: the SMS provider and the mail server."""
