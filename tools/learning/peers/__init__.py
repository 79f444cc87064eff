"""The peers of `make bench-learning`: Ray's and Optuna's own classes on our tasks, spaces, priors, seeds and steps.

Only `registry` and `launch` run in the project's environment. All else runs in that of the peers, which
`tools/bench/peer.py` makes of `tools/bench/peers.lock`.
"""
