"""One file a revision, in order. A revision is never changed once released."""
