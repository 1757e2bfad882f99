"""Language models by provider: one file each, the only one that imports its SDK. `table` is the list of them."""
