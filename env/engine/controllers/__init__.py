"""env/engine/controllers."""
