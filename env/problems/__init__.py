"""env/problems."""
