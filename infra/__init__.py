"""Where things run: this machine, and fleets of machines."""
