"""Text as people and programs write it: names, spans of time, sizes, addresses with passwords in them."""
