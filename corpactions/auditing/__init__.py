"""Working with the audit log as a whole: reading it verified, verifying all of it against everyone who knows of it, exporting it, and ending its retention.

Uses the adapters that ``bootstrap`` makes; what is checked stands in ``domain.audit``, where no server is needed to try it.
"""
