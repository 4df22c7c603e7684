"""Calls about trainings: `routes` and `images`; `schemas` are their documents, `stream` their
events.
"""
