"""What `/metrics` says, read by the parser of prometheus-client."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


def samples(text: str) -> dict[tuple[str, Labels], float]:
    """All values, by their names and labels."""
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def named(text: str, name: str) -> dict[Labels, float]:
    """The values of one name, by their labels, but for those that are 0."""
    return {labels: value for (found, labels), value in samples(text).items() if found == name and value}


def labels(**values: str) -> Labels:
    return tuple(sorted(values.items()))
