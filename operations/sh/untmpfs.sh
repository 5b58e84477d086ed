# untmpfs UNIT PATH [SERVICE...]: the tmpfs of UNIT goes, and what is in it is at PATH on the disk beneath. What that disk had
# there before is beside it then, as PATH.before. Each SERVICE is at work in it now and then, and may be stopped.
# uses: tmpfs_copy
shift 2
file=/etc/systemd/system/$unit
trap 'explain_refusal "$path"' EXIT
trusted "$dir"

# Those who have something below it open.
users() {
    find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/fd -maxdepth 1 \
        \( -lname "$path" -o -lname "$path/*" \) 2>/dev/null | cut -d / -f 3 | sort -u |
        while read -r pid; do echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"; done | paste -s -d , |
        grep . || echo "what is mounted below it"
}

# Once it is unmounted the copy is all that there is.
restored() {
    if mounted; then
        discard
        mount -o remount,rw,strictatime "$path" || :
    fi
    explain_refusal "$path"
}

if mounted; then
    outlived
    trap restored EXIT
    # It begins again when its timer says so.
    [ $# = 0 ] || systemctl stop "$@" || :
    if ! [ -e "$whole" ]; then
        mount -o remount,ro "$path" 2>/dev/null || die "$path is being written to by $(users); nothing was changed"
        rm -rf "$new"
        # As the plan has it (reserve in pure/tmpfs.py): XFS keeps nothing for root, nor is there a directory in what is used.
        used=$(df -Pk "$path" | awk 'NR == 2 { print $3 }')
        free=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
        kept=$(($(df -Pk "$dir" | awk 'NR == 2 { print $2 }') / 20))
        [ "$kept" -ge 1048576 ] || kept=1048576
        [ $((used + kept)) -le "$free" ] ||
            die "$path: $used KiB do not fit on its disk, where $free are free and $kept stay free; nothing was changed"
        cp -a -T --one-file-system "$path" "$new"
        settle_all "$new"
        mv -T "$new" "$whole"
        settle "$dir"
    fi
    # A signal would not wait for the kernel, which may have begun; and umount fails, too, where it cannot write utab.
    trap '' HUP INT TERM
    umount "$path" 2>/dev/null || ! mounted || die "$path is in use by $(users); nothing was changed"
    trap 'explain_refusal "$path"' EXIT
fi
land

systemctl -q disable "$unit" 2>/dev/null || true
keep "$file"
rm -f "$file"
settle "${file%/*}"
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || true
trap - EXIT
