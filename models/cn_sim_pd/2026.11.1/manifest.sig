{
 "algorithm": "Ed25519",
 "key_id": "ed25519-015e8cd5ea78ed75",
 "signature": "tL9oMa3jsGNFM5Bynh3dy903otp868MSSZQ9XqHP9xRMkLh6SqqbuBjE6j+9nLVBtA4Vet8dzYgfeRnWTOTRAg=="
}
