#!/bin/busybox sh
# PID 1 of a VM's initrd: the disk, the network, and who this host is, in files that are there and labelled already.
# Not networkd: Debian's policy keeps it from its own files.
/bin/busybox mkdir -p /dev /proc /root
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
for module in virtio_blk failover net_failover virtio_net; do
    /bin/busybox insmod /$module.ko
done
/bin/busybox mount -t ext4 /dev/vda /root
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in
    lab.name=*) echo "${word#*=}" >/root/etc/hostname ;;
    lab.id=*) echo "${word#*=}" >/root/etc/machine-id ;;
    lab.hosts=*) echo "127.0.0.1 localhost
::1 localhost
${word#*=}" | /bin/busybox tr , ' ' >/root/etc/hosts ;;
    lab.address=*) /bin/busybox ip addr add "${word#*=}" dev eth0 && /bin/busybox ip link set eth0 up ;;
    lab.gateway=*) /bin/busybox ip route add default via "${word#*=}" ;;
    esac
done
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
