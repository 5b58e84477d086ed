# restore (a part of loaded and journald): a file goes back to what its unit had loaded before, $loaded.old, or else to the
# content that was last replaced.
previous() {
    if [ -d "$loaded.old" ]; then
        [ ! -e "$loaded.old/${1##*/}" ] || echo "$loaded.old/${1##*/}"
    else
        current=$(digest "$1" 2>/dev/null || true)
        ls -t "$STATE/backup$1" 2>/dev/null | grep -v "^$current\$" | head -n 1 | sed "s|^|$STATE/backup$1/|"
    fi
}

restore() {
    source=$(previous "$1")
    keep "$1"
    if [ -n "$source" ]; then
        parents "${1%/*}"
        cp "$source" "${1%/*}/.elforge.restore"
        if [ -e "$1" ]; then
            chown --reference="$1" "${1%/*}/.elforge.restore"
            chmod --reference="$1" "${1%/*}/.elforge.restore"
        else
            chmod 644 "${1%/*}/.elforge.restore"
        fi
        label "${1%/*}/.elforge.restore" "$1"
        mv -fT "${1%/*}/.elforge.restore" "$1"
    else
        rm -f "$1"
    fi
}
