"""The audit room: who asked about whom and why, and which two officers approved an act."""
