"""The HTTP API's bodies: what is accepted, and what is answered."""
