"""Personal data and secrets in texts: detectors with their checksums, who is entitled to what, and what becomes of it."""
