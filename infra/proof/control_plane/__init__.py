"""A real Kubernetes with SimKube and KWOK on this machine, without containers: for tests, and where Docker is missing.

Imports `env.kube` and `env.errors` of ours, `samples.py` also `env.snapshot` and `env.simkube`, and reads
`env/simkube/stages.yaml`. Two stand-ins do what needs a container runtime. In the order to read it:

    recipe.py         what is built, at which versions, as data
    build.py          builds it once, into a folder below ~/.cache
    network.py        the network namespace in which a plane lives
    credentials.py    its certificates, tokens and kubeconfig
    plane.py          a plane: started, paused in parts, stopped
    cert_manager.yaml the kinds of cert-manager that SimKube uses
    objects.yaml      what is in it: sk-ctrl, KWOK, the virtual nodes
    pod_process.py    a pod's program as a process
    kubelet.py        the stand-in for the kubelet of the node worker-1
    kubelet_logs.py   what it answers to `kubectl logs`
    cert_manager.py   the stand-in for cert-manager
    stand_ins.py      the process in which both run
    samples.py        what makes the recordings in docs/samples, in a plane
    __main__.py       `python -m infra.proof.control_plane`, which the Makefile calls
"""
