"""Browsers for the tests of web pages."""
