"""The shared package of the book: one noun per file, nothing happens at import."""
