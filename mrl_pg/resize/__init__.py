"""Another size or kind beside an index, and the switch from one to the other."""
