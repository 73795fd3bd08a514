"""Generated from proto/credit_service/v1; never edited."""
