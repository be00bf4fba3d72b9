"""Corporate actions carried exactly as announced: the code that the services share. Imports point down: see CONTRIBUTING and the import contracts."""

__version__ = "0.1.0"
