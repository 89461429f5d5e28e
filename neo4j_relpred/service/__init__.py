"""The HTTP service: answers the questions of the procedures, and of whoever else speaks JSON."""
