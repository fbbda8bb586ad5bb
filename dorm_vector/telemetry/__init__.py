"""Telemetry of searches, loads and embeddings: the log, OpenTelemetry and Prometheus."""
