"""env/gym."""
