"""The parts of a report: each is a function of an evaluation and of the report's book of numbers."""
