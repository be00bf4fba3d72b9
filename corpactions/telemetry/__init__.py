"""How a process tells of itself: logs and health answers."""
