#!/bin/sh
# Runs inside a new image, as root, after files and RPMs are in place. $1: major release.
set -eu
major=$1
hidden=/usr/libexec/elforge-lab

ln -sf bash /usr/bin/sh
ln -sf centos-release /etc/redhat-release
ln -sf centos-release /etc/system-release
rm -f /etc/sudoers.d/README /etc/debian_version /etc/issue /etc/issue.net /etc/motd /etc/update-motd.d/*
rm -rf /etc/apt /var/lib/apt /var/cache/apt
rm -f /usr/bin/apt* /usr/bin/dpkg* /usr/sbin/adduser
ln -s useradd /usr/sbin/adduser

# A minimal CentOS does not have these; the mirror's stub packages link to them.
mkdir -p "$hidden"
mv /usr/bin/make /usr/sbin/semanage "$hidden/"
mv /usr/lib/python3/dist-packages/dnf-plugins "$hidden/"
mkdir /usr/lib/python3/dist-packages/dnf-plugins
ln -s "/usr/bin/$(readlink /usr/bin/gcc)" "$hidden/gcc"
rm -f /usr/bin/gcc /usr/bin/cc /usr/bin/git
rm -rf /etc/dnf/plugins
mkdir /etc/dnf/plugins

if [ "$major" = 7 ]; then
    mv /usr/bin/dnf-3 /usr/bin/yum
    rm -f /usr/bin/dnf /usr/bin/dnf4 /usr/bin/dnf-automatic*
    ln -sf ../yum.conf /etc/dnf/dnf.conf
    cp /etc/yum/vars/* /etc/dnf/vars/
    mv "$hidden/yum3-plugin" /usr/lib/python3/dist-packages/dnf-plugins/yum3.py
else
    ln -s dnf-3 /usr/bin/yum
    ln -s dnf/dnf.conf /etc/yum.conf
fi

# EL's name of the daemon, and none of Debian's jobs.
ln -s cron.service /usr/lib/systemd/system/crond.service
rm -rf /etc/cron.*/*
: > /etc/crontab

chown -R root:root /etc/ssh /etc/sudoers /etc/sudoers.d /etc/systemd/network /root
chmod 0440 /etc/sudoers /etc/sudoers.d/*
chmod 0600 /etc/ssh/ssh_host_*_key
groupadd --system wheel
useradd --create-home --shell /bin/bash --uid 1000 --groups wheel ops
for home in /root /home/ops; do
    install -d -m 0700 "$home/.ssh"
    install -m 0600 /usr/share/elforge-lab/authorized_keys "$home/.ssh/authorized_keys"
done
chown -R ops:ops /home/ops/.ssh
usermod --shell /bin/bash root

# A test logs in hundreds of times: no manager of the user's own is started and ended each time (logind.conf(5)).
mkdir -p /var/lib/systemd/linger
touch /var/lib/systemd/linger/root /var/lib/systemd/linger/ops

: > /etc/resolv.conf
: > /etc/machine-id
systemctl --quiet enable systemd-networkd firewalld
# auditd cannot run in a container; the rest would touch the network or the disk behind a test's back.
systemctl --quiet mask auditd.service console-getty.service dnf-makecache.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service systemd-firstboot.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer selinux-autorelabel-mark.service \
    systemd-timesyncd.service
