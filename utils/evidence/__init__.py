"""What chapters record, and what repeated runs measured; depends on nothing else in `utils`."""

from utils.evidence import claims
from utils.evidence.recording import interval, record, stored

__all__ = ["claims", "interval", "record", "stored"]
