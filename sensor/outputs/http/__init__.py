"""Outputs that speak HTTP: plain, Elasticsearch, Splunk HEC, OTLP."""
