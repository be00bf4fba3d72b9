"""MySQL: tables, the unit of work, the statements of the hot path. The only package that knows SQL, and the unit of work the only place that commits."""
