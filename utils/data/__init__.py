"""The datasets, all in memory; depends on nothing else in `utils`."""

from utils.data.loading import load
from utils.data.splits import Dataset, Split, batches

__all__ = ["Dataset", "Split", "batches", "load"]
