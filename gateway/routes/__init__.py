"""The HTTP routes, one module per resource. They read requests and write answers; every decision is in ``gateway.handler``."""
