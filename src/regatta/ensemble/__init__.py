"""The ensemble: which trials of all lanes are combined, with which weights.

It reads trial artifacts only, never the code that raced them.
"""
