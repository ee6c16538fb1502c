#!/bin/sh
# The first process of namespaces of this kernel: makes a root of IMAGE and an overlay, and becomes systemd.
#
#   nest-init.sh IMAGE WORK      WORK/given is seen as /given; what is written goes into memory
set -eu
image=$1
work=$2
root=$work/root
mount --make-rprivate /
mkdir -p "$work/lower" "$work/memory" "$root"
mount -o loop,ro "$image" "$work/lower"
mount -t tmpfs tmpfs "$work/memory"
mkdir "$work/memory/upper" "$work/memory/work"
mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/memory/upper,workdir=$work/memory/work" overlay "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t bpf bpf "$root/sys/fs/bpf"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/given"
mount --bind "$work/given" "$root/given"
# The agent takes numbers of processes from the kernel, so its /proc is the one with those numbers.
mkdir "$root/hostproc" "$root/etc/systemd/system/castoff.service.d"
mount --bind /proc "$root/hostproc"
printf '[Service]\nBindReadOnlyPaths=/hostproc:/proc\n' >"$root/etc/systemd/system/castoff.service.d/nest.conf"
cp "$work/given/castoff-vm.service" "$root/etc/systemd/system/castoff-vm.service"
for unit in docker.service docker.socket containerd.service podman.service podman.socket podman-auto-update.service \
    podman-restart.service auditd.service systemd-udevd.service console-getty.service lxc.service lxc-net.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
hostname castoff-vm
ip link set lo up
mkdir "$root/before"
cd "$root"
pivot_root . before
umount -l before
exec env -i container=nest PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=0
