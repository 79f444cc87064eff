"""The operator on a Kubernetes cluster: its config, the stores, pods and status that a pass works with."""
