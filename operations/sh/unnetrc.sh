# unnetrc USER MARK: remove the user's .netrc if it is ours; somebody else's, and one that is gone, need nothing. The
# note of it stays while a home is there that cannot be entered, or might be: autofs shows none that it cannot mount.
user=$1 mark=$2
home=$(getent passwd "$user" | cut -d : -f 6)
if [ -n "$home" ] && { [ -e "$home" ] || [ "$(stat -f -c %T "${home%/*}" 2>/dev/null)" = autofs ]; }; then
    runuser -u "$user" -- sh -euc '
        cd "$1" 2>/dev/null || { echo "$1 cannot be entered by its user just now: its .netrc is still there" >&2; exit 1; }
        rm -f .elforge.netrc.*
        [ ! -L .netrc ] && [ -f .netrc ] && [ "$(head -n 1 .netrc)" = "$2" ] || exit 0
        rm -f .netrc
        sync . 2>/dev/null || sync
    ' unnetrc "$home" "$mark" 9>&-
fi
rm -f "$STATE/netrc/$user"
rmdir "$STATE/netrc" 2>/dev/null || true
settle "$STATE"
