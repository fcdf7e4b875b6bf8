"""How runs look in a terminal; only here and below is rich imported, and only when something is drawn."""
