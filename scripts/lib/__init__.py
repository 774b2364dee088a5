"""Common code of the scripts."""
