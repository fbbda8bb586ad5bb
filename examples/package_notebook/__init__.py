"""A notebook that loads, searches, maps and evaluates the packages of the package search."""
