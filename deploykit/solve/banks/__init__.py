"""Choice of what lies in on-chip memory: in which bank, at which offset, for which part of its life."""
