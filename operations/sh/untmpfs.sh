# untmpfs UNIT PATH: the tmpfs of UNIT goes, and what is in it is at PATH on the disk beneath. What that disk had there before
# is beside it then, as PATH.before.
unit=$1 path=$2
dir=${path%/*} name=${path##*/}
file=/etc/systemd/system/$unit
# Not .elforge.NAME.*, which is for leftovers. What has got to $whole is all of it, and as long as that is there the tmpfs
# is read-only or gone.
new=$dir/.$name.elforge-new whole=$dir/.$name.elforge-whole
trap 'explain_refusal "$path"' EXIT
trusted "$dir"

mounted() { mountpoint -q "$path" && [ "$(stat -f -c %T "$path")" = tmpfs ]; }
writable() { ! findmnt -n -o OPTIONS "$path" | grep -q -w ro; }

# Those who have something below it open.
users() {
    find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/fd -maxdepth 1 \
        \( -lname "$path" -o -lname "$path/*" \) 2>/dev/null | cut -d / -f 3 | sort -u |
        while read -r pid; do echo "$(cat "/proc/$pid/comm" 2>/dev/null) ($pid)"; done | paste -s -d , |
        grep . || echo "what is mounted below it"
}

# aside DIRECTORY: it stays, beside the path; an empty one goes.
aside() {
    ! rmdir "$1" 2>/dev/null || return 0
    number=
    while [ -e "$path.before$number" ] || [ -L "$path.before$number" ]; do number=$((${number:-0} + 1)); done
    mv -T "$1" "$path.before$number"
    say "$path: what its disk had there before the tmpfs is now $path.before$number"
}

# A copy that is not needed; half of one would pass for all of it.
discard() {
    rm -rf "$new"
    if [ -e "$whole" ]; then mv -T "$whole" "$new"; fi
    rm -rf "$new"
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
    # The host has booted since.
    if [ -e "$whole" ] && writable; then aside "$whole"; fi
    trap restored EXIT
    if ! [ -e "$whole" ]; then
        mount -o remount,ro "$path" 2>/dev/null || die "$path is being written to by $(users); nothing was changed"
        used=$(du -skx "$path" | cut -f 1)
        free=$(df -Pk "$dir" | awk 'NR == 2 { print $4 }')
        [ "$used" -le "$free" ] || die "$path: $used KiB do not fit on its disk, where $free are free; nothing was changed"
        rm -rf "$new"
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
if [ -e "$whole" ]; then
    [ ! -e "$path" ] || aside "$path"
    mv -T "$whole" "$path"
    settle "$dir"
fi
rm -rf "$new"

systemctl -q disable "$unit" 2>/dev/null || true
keep "$file"
rm -f "$file"
settle "${file%/*}"
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null || true
trap - EXIT
