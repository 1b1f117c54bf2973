"""Reads metrics on standard input as OpenMetrics' reference implementation does, and prints how many families there are."""

import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families

text = sys.stdin.read()
families = list(text_string_to_metric_families(text))
unexplained = [family.name for family in families if not family.documentation]
if unexplained:
    sys.exit(f"these have no help: {unexplained}")
print(len(families))
