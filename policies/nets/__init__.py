"""Networks shared by every method: observation encoders and chunk networks."""
