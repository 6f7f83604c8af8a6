"""What a batch and an unrolled network are, drawn."""
