"""What calls intake: HTTP and Kafka."""
