"""SimKube on a real Kubernetes: traces replayed by a cluster's own control plane, on KWOK's virtual nodes.

`cluster.SimKubeCluster` is the second implementation of `env.cluster.Cluster`. Only this package may import the
`kubernetes` client.
"""
