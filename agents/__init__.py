"""What picks an action: learning agents and hand-written policies. Knows states and actions, not clusters."""
