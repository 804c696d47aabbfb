"""Which rows are locked away, which are trained on, and which fold validates each."""

from regatta.splits.assign import DROPPED, LOCKED, MIN_ROWS, assign, check_locked, repeat
from regatta.splits.grouped import deal_groups, lock_groups
from regatta.splits.lock import Lock
from regatta.splits.scheme import Scheme, choose_locked_share, choose_scheme
from regatta.splits.stored import Splits
from regatta.splits.timed import lock_latest, validate_latest

__all__ = [
    "DROPPED",
    "LOCKED",
    "MIN_ROWS",
    "Lock",
    "Scheme",
    "Splits",
    "assign",
    "check_locked",
    "choose_locked_share",
    "choose_scheme",
    "deal_groups",
    "lock_groups",
    "lock_latest",
    "repeat",
    "validate_latest",
]
