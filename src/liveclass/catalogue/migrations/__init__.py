"""How the tables came to be what they are, step by step; one file per step, never changed once released."""
