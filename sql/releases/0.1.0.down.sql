-- Removes what 0.1.0 installed; short columns and indexes stay.
-- Released: neither this file nor one it names changes; frozen.txt holds their hashes.
-- Called by: mrl_0001_install.py
\ir ../drop.sql
