"""What runs the chapters: once for the pages, repeatedly for the evidence. Chapters import only `utils`."""
