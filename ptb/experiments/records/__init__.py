"""Measured results, each beside the command that made it; how they are made, checked, tabled.

record.py    trains, evaluates, and writes a record
verify.py    does a record again, or evaluates its run again, and compares
table.py     the records of several seeds as one row
curves.py    valid perplexity by epoch, beside the published end
"""
