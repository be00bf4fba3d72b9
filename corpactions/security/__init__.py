"""What keeps secrets and speaks to the witness: signing keys in files, and the client of the witness. The only home of the ``cryptography`` package."""
