#!/usr/bin/env bash
# Builds the Dockerfile without a Docker engine, and tries the image: root file system read-only, uid 10001, a task
# uploaded, the server killed and started again on the same volume. It needs root, Debian's packages buildah, mmdebstrap
# and curl, 40 GB of disk, and minutes: it installs all wheels.
#
#   deploy/image-check.sh [ARG=VALUE …]    build arguments of the Dockerfile
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in buildah mmdebstrap curl unshare; do
    command -v "$tool" >/dev/null || { echo "image-check: expected the command $tool, found none" >&2; exit 2; }
done
work=$(mktemp -d -p "${IMAGE_CHECK_FOLDER:-/var/tmp}" image-check.XXXXXX)
server=
cleanup() {
    [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
    wait
    buildah_ umount --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

buildah_() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }

echo "== a base image tagged like the one that FROM names"
base=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' Dockerfile | sort -u)
mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$work/base.tar"
container=$(buildah_ from scratch)
buildah_ add --quiet "$container" "$work/base.tar" / >/dev/null
buildah_ run --isolation chroot "$container" -- ln -s /usr/bin/python3 /usr/local/bin/python
buildah_ commit --quiet --rm "$container" "docker.io/library/$base" >/dev/null
rm "$work/base.tar"

echo "== the Dockerfile"
# pip finds the registry as it does on this machine.
mounts=(--volume /etc/ssl/certs:/etc/ssl/certs:ro)
[[ ! -e /etc/pip.conf ]] || mounts+=(--volume /etc/pip.conf:/etc/pip.conf:ro)
begun=$SECONDS
buildah_ build --isolation chroot --format docker --pull-never --quiet "${mounts[@]}" "${@/#/--build-arg=}" --tag facet . >/dev/null
echo "built in $((SECONDS - begun)) s"
inspect() { buildah_ inspect --type image --format "$1" facet; }
[[ $(inspect '{{.Docker.Config.User}}') == 10001 ]]
[[ $(inspect '{{.Docker.Config.Healthcheck.Test}}') == *readyz* ]]

echo "== the server"
container=$(buildah_ from --pull-never facet)
root=$(buildah_ mount "$container")
echo "size: $(du --summarize --block-size=M "$root" | cut -f1), of it the CUDA wheels and triton: $(
    du --summarize --block-size=M --total "$root"/opt/facet/lib/python3*/site-packages/{nvidia,triton} 2>/dev/null | tail -1 | cut -f1)"
mkdir "$work/store" "$work/tree"
chown 10001:10001 "$work/store"
mapfile -t environment < <(inspect '{{range .Docker.Config.Env}}{{println .}}{{end}}' | sed '/^$/d')
port=${IMAGE_CHECK_PORT:-18765}
url=http://127.0.0.1:$port

# Becomes a command under the image's environment, which can write to the store and /tmp only.
in_container() {
    exec unshare --mount --propagation private bash -euc '
        tree=$1 root=$2 store=$3; shift 3
        mount --bind "$root" "$tree"
        mount -o remount,bind,ro "$tree"
        mount --bind "$store" "$tree/var/lib/facet/store"
        mount -t tmpfs tmpfs "$tree/tmp"
        mount -t proc proc "$tree/proc"
        mount --rbind /dev "$tree/dev"
        mount -t sysfs -o ro sysfs "$tree/sys"
        exec chroot --userspec=10001:10001 "$tree" "$@"
    ' -- "$work/tree" "$root" "$work/store" /usr/bin/env -i "${environment[@]}" HOME=/var/lib/facet \
        FACET_TRUST_NETWORK=1 FACET_PORT="$port" FACET_BUILTIN=0 "$@"
}
start() {
    in_container facet serve &  # each step to it is an exec, so this is the server's own id
    server=$!
    for _ in {1..240}; do
        curl --silent --fail --output /dev/null "$url/readyz" && return
        kill -0 "$server"
        sleep 0.5
    done
    echo "image-check: expected the server to be ready within 120 seconds, found it is not" >&2
    return 1
}
ask() {
    curl --silent --show-error --fail -H 'Content-Type: image/png' \
        --data-binary @prompts_store/builtin/samples/digits/6-5.png "$url/v1/tasks/digits/predict?top_k=1" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["predictions"][0]["label"])'
}

start
[[ $(ps -o uid= -p "$server" | tr -d ' ') == 10001 ]]
if (in_container touch /var/lib/facet/written 2>/dev/null); then
    echo "image-check: expected a read-only root file system, found a file written" >&2
    exit 1
fi
(in_container touch /var/lib/facet/store/written)
(in_container python -c "$(inspect '{{index .Docker.Config.Healthcheck.Test 3}}')")
curl --silent --show-error --fail --output /dev/null -H 'Content-Type: application/octet-stream' \
    --data-binary @prompts_store/builtin/digits.safetensors "$url/v1/tasks/digits/versions"
[[ $(ask) == 6 ]]
kill -KILL "$server"
wait "$server" 2>/dev/null || true
start
[[ $(ask) == 6 ]]
echo "a digit is answered by uid 10001 on a read-only root, before and after a kill"
kill -TERM "$server"
wait "$server"
server=
