"""What the command line of a script is, read from its syntax tree. Nothing of it is run."""
