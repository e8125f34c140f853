"""What a fleet is worth: lessons on real nodes that are killed, cut off, crowded and worn. See bench/README.md."""
