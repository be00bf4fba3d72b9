"""`corpactions demo`: the packaged sample through a running stack, and a report that adds up."""

from __future__ import annotations

from producers.feed.demo.command import app

__all__ = ["app"]
