"""Real control planes on one machine, without containers: each is a process on loopback, and so is Envoy."""
