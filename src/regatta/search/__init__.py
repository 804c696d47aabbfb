"""The race: which recipes are tried, in which order, under which limits.

`regatta.search.plan` turns a table's shape and the settings into lanes, `regatta.search.lane` runs
one of them: every trial in a child process of its own, under a time and a memory limit.
"""
