"""What can be told of a study before it costs anything: secrets, room, GPUs, sources, models, leakage."""
