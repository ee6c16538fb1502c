#!/bin/busybox sh
# First program of a guest: bring in the disks' modules, mount the root image and hand over to it.
#
#   /dev/vda  root image, written to a throw-away overlay
#   /dev/vdb  the kernel's modules
#   /dev/vdc  tar of the tree and the job (see machine.py), read by the guest itself
busybox=/bin/busybox
$busybox mkdir -p /dev /proc /sys /newroot
$busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
$busybox mount -t proc proc /proc

while read -r module; do
    $busybox insmod "/modules/$module" || echo "initramfs: $module was refused"
done </modules/order

# Disks appear some time after their driver.
tries=0
until [ -b /dev/vda ] && [ -b /dev/vdb ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { echo "initramfs: no disks"; $busybox poweroff -f; }
    $busybox usleep 100000
done

$busybox mount -t ext4 /dev/vda /newroot &&
    $busybox mount -t ext4 -o ro /dev/vdb /newroot/usr/lib/modules ||
    { echo "initramfs: the root image cannot be mounted"; $busybox poweroff -f; }
$busybox mount -o move /dev /newroot/dev
$busybox umount /proc
exec $busybox switch_root /newroot /sbin/init
