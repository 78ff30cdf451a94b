"""What a network becomes outside PyTorch; depends on measuring."""

from utils.files import coded_files, deployment, formats, int8_files, sparse_files

__all__ = ["coded_files", "deployment", "formats", "int8_files", "sparse_files"]
