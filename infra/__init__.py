"""How the product runs: local servers, containers, broker and database settings. Nothing imports this package but its own tests."""
