"""The three servers of the stack, each a private process on the loopback interface."""
