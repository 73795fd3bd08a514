{
 "algorithm": "Ed25519",
 "key_id": "ed25519-00be8abfafb95f75",
 "signature": "TiG2Lfru04DwyQh8g2Bb/mdU871SgxgAES7JMcuA1VZai9E13ek6UObp8PkH0E8MogVgTmuX0cZj9P8KG/8hAQ=="
}
