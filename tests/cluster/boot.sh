#!/bin/sh
# Runs as the first process in the node's own namespaces: all that it mounts and sets up is theirs,
# and gone when it ends. Arguments: the node's folder, its address, the program that takes over.
set -eu
folder=$1 address=$2 pause=$3

mount --make-rshared /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
if [ "$(wc -l < /proc/self/cgroup)" = 1 ]; then  # control groups of version 2
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    mount -t tmpfs tmpfs /sys/fs/cgroup
    while IFS=: read -r _ controllers _; do
        [ -n "$controllers" ] || continue
        name=${controllers#name=}
        mkdir "/sys/fs/cgroup/$name"
        mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$name"
    done < /proc/self/cgroup
fi
# What programs keep, they keep in the node's folder.
mkdir "$folder/lib" "$folder/log"
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/log" /var/log
mount -t tmpfs tmpfs /run

# kubelet sets these for the whole machine, unless they are already as it wants them.
for setting in vm/overcommit_memory:1 vm/panic_on_oom:0 kernel/panic:10 kernel/panic_on_oops:1 \
    kernel/keys/root_maxkeys:1000000 kernel/keys/root_maxbytes:25000000; do
    file=$folder/$(echo "${setting%:*}" | tr / -)
    echo "${setting#*:}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%:*}"
done
echo 1 > /proc/sys/net/ipv4/ip_forward  # of this network only

ip link set lo up
ip link add node0 type veth peer name node1
ip addr add "$address/24" dev node0
ip link set node0 up && ip link set node1 up
ip route add default dev node0

touch "$folder/booted"
exec "$pause"
