"""What operators' own systems may see of the service: metrics for Prometheus, and traces by OpenTelemetry."""
