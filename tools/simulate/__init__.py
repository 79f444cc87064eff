"""Fault simulation, `make simulate`: the real operator and the trainer's protocol in virtual time, on seeded faults."""
