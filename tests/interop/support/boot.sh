#!/bin/sh
# boot.sh TREE NAME: boots the systemd of a Debian tree as PID 1 of namespaces of its own, in a cgroup of
# that name, which goes with it. Needs a terminal (script(1)) as its console.
set -e
# A getty of the tree's hangs up its console, which is ours.
trap '' HUP
[ "$ISTHMUS_BOOT" ] || exec env ISTHMUS_BOOT=1 unshare --mount sh "$0" "$@"
tree=$1
cgroups=$(mktemp -d)
mount -t cgroup2 cgroup2 "$cgroups"
mkdir -p "$cgroups/$2"
echo $$ > "$cgroups/$2/cgroup.procs"
console=$(tty)
export tree console
unshare --fork --pid --mount --cgroup --uts --ipc --net --kill-child sh -ec '
  mount --make-rprivate /
  mount --rbind "$tree" "$tree"
  for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$tree/$folder"; done
  mount -t proc proc "$tree/proc"
  mount -t sysfs sysfs "$tree/sys"
  mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
  mkdir "$tree/dev/pts" "$tree/dev/shm" "$tree/dev/net"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$tree/dev/pts"
  ln -s pts/ptmx "$tree/dev/ptmx"
  node() { mknod -m 666 "$tree/dev/$1" c "$2" "$3"; }
  node null 1 3; node zero 1 5; node full 1 7; node random 1 8; node urandom 1 9; node tty 5 0
  node net/tun 10 200
  : > "$tree/dev/console"
  mount --bind "$console" "$tree/dev/console"
  cd "$tree"
  exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \
    chroot . /lib/systemd/systemd --log-target=console --log-level=notice
' || true
echo $$ > "$cgroups/cgroup.procs"
find "$cgroups/$2" -depth -type d -exec rmdir {} \;
umount "$cgroups"
rmdir "$cgroups"
