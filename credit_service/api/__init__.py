"""The street: one door per service, and the only place that speaks protobuf and gRPC."""
