# journald FILE PRESENT PERSISTENT SIZE AGE: let journald take FILE, or what is left without it. Then, of what is archived, as
# much stays as SIZE (bytes) and AGE say, "" for all. With PERSISTENT it is to end up on disk, with what is in memory. When it
# does not come back with FILE, what it had loaded before is back.
# uses: restore
file=$1 present=$2 persistent=$3 size=$4 age=$5
unit=systemd-journald.service
disk=/var/log/journal memory=/run/log/journal
id=$(cat /etc/machine-id)
loaded=$RUN/$unit
copy=$loaded/${file##*/}
trap 'explain_refusal "$file"' EXIT

# What it has loaded, for the way back, as the first of several runs has found it that were killed. Without a record, after a
# boot, that is a file from before its start, or else what was replaced last.
if ! grep -qx pending "$copy" 2>/dev/null; then
    rm -rf "$loaded.old"
    since=$(date +%s -d "$(systemctl show -p ActiveEnterTimestamp "$unit" | cut -d = -f 2-)" 2>/dev/null || echo 0)
    if [ -d "$loaded" ]; then
        cp -a "$loaded" "$loaded.old"
    elif [ -f "$file" ] && [ "$(stat -c %Z "$file")" -lt "$since" ]; then
        mkdir "$loaded.old"
        cp "$file" "$loaded.old/"
    fi
fi
# Until the end, what it has loaded is not what is declared: a run that was killed is known not to have got there.
mkdir -p "$loaded"
echo pending >"$copy"
if [ "$present" = no ]; then
    keep "$file"
    rm -f "$file"
    rmdir "${file%/*}" 2>/dev/null || true
    settle /etc/systemd
fi

if [ "$persistent" = yes ]; then
    parents "$disk"
    said=$(systemd-tmpfiles --create --prefix="$disk" 2>&1) || true
    [ "$(stat -L -c '%G %a' "$disk")" = "systemd-journal 2755" ] ||
        die "$disk does not get the group systemd-journal and mode 2755 from systemd-tmpfiles; does a file in /etc/tmpfiles.d say otherwise? $said"
fi

# What services write to is in systemd's keeping meanwhile (FileDescriptorStoreMax=, since 219).
comes_back() {
    forgive "$unit"
    systemctl restart "$unit" 9>&- && systemctl is-active --quiet "$unit"
}
remember() {
    rm -f "$copy"
    [ ! -e "$file" ] || cp "$file" "$copy"
    rm -rf "$loaded.old"
}
if ! comes_back; then
    said=$(systemctl status --no-pager "$unit" 2>&1 | tail -n 5)
    restore "$file"
    comes_back || die "$unit does not come back, nor with its previous configuration: $said"
    remember
    die "$unit did not come back with its new configuration, the previous one is back in place and works: $said"
fi

written_to_disk() { [ -e "$disk/$id/system.journal" ] && ! [ -e "$memory/$id/system.journal" ]; }
if [ "$persistent" = yes ] && ! written_to_disk; then
    timeout 60 journalctl --flush 9>&- || true
    tries=0
    # 219's journalctl does nothing where a flush was asked for at boot, when there was no such directory.
    until written_to_disk; do
        tries=$((tries + 1))
        [ $tries -le 15 ] ||
            die "journald does not write to $disk: see journalctl -u $unit, and whether another file in ${file%/*} says Storage="
        systemctl kill --kill-who=main -s USR1 "$unit"
        sleep 1
    done
fi

if [ -n "$size$age" ]; then
    # Only what is archived can go. 219 has no journalctl --rotate, every version has the signal.
    systemctl kill --kill-who=main -s USR2 "$unit"
    sleep 1
    [ -z "$size" ] || timeout 300 journalctl -q --vacuum-size="$size" >&2 9>&-
    [ -z "$age" ] || timeout 300 journalctl -q --vacuum-time="$age" >&2 9>&-
fi

remember
trap - EXIT
