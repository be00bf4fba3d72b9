"""The lifecycle worker: events from the topic through the state machine into MySQL, and their audit records and summaries out again."""
