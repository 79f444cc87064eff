"""What must hold at every moment and at the end: the invariants of the design, judged by what really happened."""
