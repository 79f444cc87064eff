"""The local runner: the same reconcile over processes of this machine instead of pods."""
