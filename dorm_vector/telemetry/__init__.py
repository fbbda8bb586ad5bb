"""What the package tells of its searches, loads and embeddings: the log, OpenTelemetry and Prometheus."""
