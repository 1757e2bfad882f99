# shellcheck shell=bash disable=SC2034,SC2154
# The steps of boot.sh that make SimKube's cluster. To people, docs/simkube.md says the same.
export KUBECONFIG=$state/kubeconfig

kubectl() { docker exec -i sim-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }

docker_service() { systemctl enable --now docker; }

kind() {
    fetch "$bin/kind" "$KIND_URL" "$KIND_SHA256"
    chmod +x "$bin/kind"
}

manifests() {
    fetch "$code/kwok.yaml" "$KWOK_URL" "$KWOK_SHA256"
    fetch "$code/stage-fast.yaml" "$KWOK_STAGES_URL" "$KWOK_STAGES_SHA256"
    fetch "$code/cert-manager.yaml" "$CERT_MANAGER_URL" "$CERT_MANAGER_SHA256"
    local git=(git -C "$code/simkube")
    git init --quiet "$code/simkube"
    "${git[@]}" cat-file -e "$SIMKUBE_COMMIT^{commit}" ||
        "${git[@]}" fetch --quiet --depth 1 "$SIMKUBE_REPOSITORY" "$SIMKUBE_COMMIT"
    "${git[@]}" checkout --quiet --force --detach "$SIMKUBE_COMMIT"
    [[ $("${git[@]}" rev-parse HEAD) == "$SIMKUBE_COMMIT" ]]
}

node_image() { docker image inspect "$NODE_IMAGE" >/dev/null || docker pull --quiet "$NODE_IMAGE"; }

cluster() {
    mkdir -p "$state/traces"
    if "$bin/kind" get clusters | grep -x sim; then return; fi
    "$bin/kind" create cluster --name sim --image "$NODE_IMAGE" --kubeconfig "$KUBECONFIG" --wait 5m --config - <<END
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
  - role: worker
    labels: {type: kind-worker}
    extraMounts: [{hostPath: $state/traces, containerPath: /data}]
END
}

kwok() {
    kubectl apply -f - <"$code/kwok.yaml"
    kubectl -n kube-system set image deployment/kwok-controller "*=registry.k8s.io/kwok/kwok@$KWOK_DIGEST"
    kubectl wait --for=condition=Established --timeout=60s crd/stages.kwok.x-k8s.io
    kubectl apply -f - <"$code/stage-fast.yaml"
    kubectl -n kube-system rollout status deployment/kwok-controller --timeout=5m
}

cert_manager() {
    kubectl apply -f - <"$code/cert-manager.yaml"
    kubectl -n cert-manager wait deployment --all --for=condition=Available --timeout=5m
    again 120 issuer # its webhook answers a little later
}
issuer() {
    kubectl apply -f - <<END
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {name: selfsigned}
spec: {selfSigned: {}}
END
}

simkube() {
    kubectl apply -f - <<<'{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}'
    docker cp "$code/simkube/k8s/." sim-control-plane:/simkube
    kubectl apply -k /simkube/kustomize/sim
    kubectl apply -f /simkube/raw/simkube.io_simulations.yml # the kustomization has the last release's copy
    # Without it, sk-ctrl 2.7 could not read a Simulation.
    [[ $(kubectl get crd simulations.simkube.io -o yaml) == *lifecycleParams* ]]
    kubectl -n simkube set image deployment/sk-ctrl-depl "*=quay.io/appliedcomputing/sk-ctrl:$SIMKUBE_VERSION"
    kubectl -n simkube rollout status deployment/sk-ctrl-depl --timeout=5m
}

stages() { kubectl apply -f - <"$site/env/simkube/stages.yaml"; }

nodes() {
    # They tolerate every taint, so that they would take room on the virtual nodes.
    local terms='[{"matchExpressions": [{"key": "type", "operator": "NotIn", "values": ["virtual"]}]}]'
    local off="{\"nodeAffinity\": {\"requiredDuringSchedulingIgnoredDuringExecution\": {\"nodeSelectorTerms\": $terms}}}"
    kubectl -n kube-system patch daemonset kindnet kube-proxy --type merge \
        -p "{\"spec\": {\"template\": {\"spec\": {\"affinity\": $off}}}}"
    local i size="{\"cpu\": \"$NODE_CPU\", \"memory\": \"$NODE_MEMORY\", \"pods\": \"110\", \"ephemeral-storage\": \"100Gi\"}"
    for ((i = 1; i <= NODES; i++)); do
        cat <<END
---
apiVersion: v1
kind: Node
metadata:
  name: virtual-$i
  labels: {type: virtual, kubernetes.io/hostname: virtual-$i, kubernetes.io/os: linux, kubernetes.io/arch: amd64}
  annotations: {kwok.x-k8s.io/node: fake}
spec: {taints: [{key: kwok-provider, value: "true", effect: NoSchedule}]}
status: {allocatable: $size, capacity: $size}
END
    done | kubectl apply -f -
    kubectl wait node -l type=virtual --for=condition=Ready --timeout=2m
}

doctor() { again 180 "$venv/bin/sim-arena" doctor; }
