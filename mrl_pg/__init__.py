"""Matryoshka two-pass retrieval for PostgreSQL and pgvector."""
