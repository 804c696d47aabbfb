"""Object stores that speak S3: files and folders there and back, and writes on a condition."""

from regatta.store.connect import connect
from regatta.store.location import Location, is_location
from regatta.store.store import Content, Entry, Store

__all__ = ["Content", "Entry", "Location", "Store", "connect", "is_location"]
