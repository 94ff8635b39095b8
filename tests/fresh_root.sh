#!/usr/bin/env bash
# Prove `make demo` and `make test` on a Debian 12 that has nothing but make and git: a new debootstrap root, a clone
# of the last commit, the two commands. What this machine needs to reach its mirrors (sources, certificates, pip
# settings) is copied in. Other targets may be named: tests/fresh_root.sh setup
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD
root=$(mktemp -d /var/tmp/mlbd-fresh-XXXXXX)
mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 == "bookworm" { print $1; exit }')

cleanup() {
    umount --recursive --lazy "$root"/{proc,sys,run,tmp,dev/pts} 2>/dev/null || true
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT
chmod 755 "$root"

debootstrap --variant=minbase --include=ca-certificates,git,make bookworm "$root" "$mirror" >/dev/null
mount -t proc proc "$root/proc"
mount -t sysfs sys "$root/sys"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=666
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
cp /etc/pip.conf "$root/etc/" 2>/dev/null || true
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
git clone --quiet --no-local "$source" "$root/root/mlbd"

for target in "${@:-demo test}"; do
    echo "== make $target"
    time chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 \
        PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DEFAULT_TIMEOUT=180 \
        make --directory /root/mlbd $target
done
