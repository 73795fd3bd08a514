{
 "algorithm": "Ed25519",
 "key_id": "ed25519-015e8cd5ea78ed75",
 "signature": "w+6k0IKeyCB7HtwMNp4/+6YrZLH/zyU01PVFSFmQNHpQQcOIy4oHu/XAFA+Z9n9HoTGq/VowwdL56ey8zQUOCA=="
}
