{
 "algorithm": "Ed25519",
 "key_id": "ed25519-e1170d7bf4e0d2a1",
 "signature": "maEAR5WH8qI6QdZILgC7g4ktFpoLOpw1sgau2bUA69spdsIEpAqQscLjbn0cj8HBuyUtrr/wN3QcfV1WT6WQDA=="
}
