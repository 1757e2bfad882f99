"""env/engine/scheduling."""
