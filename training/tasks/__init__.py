"""The evaluation tasks on real records: who is looked at, what counts as bad, what is known of each."""
