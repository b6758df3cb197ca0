"""Runs made from records: again, with changes, in a clean room, from a bundle; and what became of them compared."""
