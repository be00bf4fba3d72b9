"""Every version of the local stack, in one place."""

from typing import Final

KAFKA: Final = "4.3.1"
"""Apache Kafka, from Maven (``org.apache.kafka``)."""

KAFKA_SCALA: Final = "2.13"
"""The Scala line Kafka's broker artifact is named after."""

SLF4J: Final = "1.7.36"
"""Kafka's logging interface; its simplest backend writes the log to standard error."""

APICURIO: Final = "3.3.3"
"""Apicurio Registry, from Maven (``io.apicurio``)."""

MAVEN_DEPENDENCY_PLUGIN: Final = "3.8.1"
"""Pinned, so that a new release of the plugin never changes how servers are fetched."""

MYSQL_SUITE: Final = "sid"
"""The Debian suite whose MySQL is unpacked where no ``mysqld`` is on PATH; the version found is printed."""

MYSQL_MINIMUM: Final = (8, 4)
"""The oldest MySQL the product supports."""

MYSQL_TEMPLATE: Final = 1
"""Raise when the way a fresh data directory is prepared changes, so that cached ones are made anew."""
