"""env/trace."""
