"""env/embedded."""
