"""The subjects room: who a credit subject is, by which code, and what personal data may be opened."""
