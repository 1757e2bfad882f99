"""env/kube."""
