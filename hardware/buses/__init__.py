"""Serial servo buses: the codecs of two protocols, and one bus over either."""
