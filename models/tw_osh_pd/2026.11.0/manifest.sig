{
 "algorithm": "Ed25519",
 "key_id": "ed25519-e1170d7bf4e0d2a1",
 "signature": "A/gZkHJMNf0pERFYjUaFZW3fvmVqpgSvEjj8dFN4En9uazJzFFCvW+hdd/CQFSiTtrH2YgdM9xmUpqOulKLTAA=="
}
