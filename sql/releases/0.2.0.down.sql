-- Removes the objects that 0.2.0 installed; short columns and indexes stay.
-- Not released yet.
-- Called by: mrl_0001_install.py
\ir ../drop.sql
