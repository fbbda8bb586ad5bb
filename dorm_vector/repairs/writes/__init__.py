"""Repairs of INSERT and DELETE."""
