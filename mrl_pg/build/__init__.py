"""Creating and dropping a short column and its index."""
