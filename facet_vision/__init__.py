"""Facet."""
