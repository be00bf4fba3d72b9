"""Upstream files of corporate actions (CSV, NDJSON) to the events topic, as an upstream system would write to it; the packaged sample and the demonstration."""
