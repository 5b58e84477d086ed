# tmpfs_copy (a part of tmpfs and untmpfs): what there is of a tmpfs, and of what untmpfs copies to the disk beneath. The first
# arguments are its UNIT and PATH.
unit=$1 path=$2
dir=${path%/*} name=${path##*/}
# Not .elforge.NAME.*, which is for leftovers. What has got to $whole is all of it, and as long as that is there the tmpfs
# is read-only or gone, but for a new one that a boot has mounted.
new=$dir/.$name.elforge-new whole=$dir/.$name.elforge-whole

mounted() { mountpoint -q "$path" && [ "$(stat -f -c %T "$path")" = tmpfs ]; }
writable() { ! findmnt -n -o OPTIONS "$path" | grep -q -w ro; }

# aside DIRECTORY WHAT: it stays, beside the path; an empty one goes.
aside() {
    ! rmdir "$1" 2>/dev/null || return 0
    number=
    while [ -e "$path.before$number" ] || [ -L "$path.before$number" ]; do number=$((${number:-0} + 1)); done
    mv -T "$1" "$path.before$number"
    say "$path: $2 is now $path.before$number"
}

# The host has booted since: what was copied then is of another tmpfs.
outlived() {
    if [ -e "$whole" ] && writable; then aside "$whole" "what was in its tmpfs before the host booted"; fi
}

# A copy that is not needed; half of one would pass for all of it.
discard() {
    rm -rf "$new"
    if [ -e "$whole" ]; then mv -T "$whole" "$new"; fi
    rm -rf "$new"
}

# Without the tmpfs the copy is all that there is, and takes its place.
land() {
    if [ -e "$whole" ]; then
        [ ! -e "$path" ] || aside "$path" "what its disk had there before the tmpfs"
        mv -T "$whole" "$path"
        settle "$dir"
    fi
    rm -rf "$new"
}
