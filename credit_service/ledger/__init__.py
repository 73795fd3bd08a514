"""The ledger room: collects events append-only, chains them, finds and verifies them; never edits one."""
