"""How late things are: a camera's stamps after its exposures, a joint's motion after its command."""
