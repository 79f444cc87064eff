"""Fault simulation: the real operator and the trainer's protocol in one thread and virtual time, on seeded faults."""
