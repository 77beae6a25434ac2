"""How long it takes: `make bench` prints a table and, as its last line, one JSON document.

processes   whole runs of the program, timed from the outside
__main__    what is measured, and the table
"""
