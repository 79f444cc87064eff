"""Figures in virtual time: what gates cost and save, what an outage costs, what crashing regions leave."""
