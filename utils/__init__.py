"""The shared package of the book: a room for each purpose, one noun a file. Nothing happens at import."""
