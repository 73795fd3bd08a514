{
 "algorithm": "Ed25519",
 "key_id": "ed25519-e1170d7bf4e0d2a1",
 "signature": "V1KGdy81qktWCetmirzJgRZv5xzHG0Ffkrwk5DI6VmFrVVxy3UszZFJIPNx0xfzspsTb81TlbvBEislkS0waBQ=="
}
