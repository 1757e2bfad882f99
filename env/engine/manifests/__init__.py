"""env/engine/manifests."""
