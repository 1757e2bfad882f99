"""env/fidelity."""
