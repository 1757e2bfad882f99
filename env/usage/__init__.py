"""What containers use, from where it is measured, and what requests are enough for it.

It may import `env.kube` and the words of `env`. To be read in this order:

usage.py   what is known of each container's use, and what is not
"""
