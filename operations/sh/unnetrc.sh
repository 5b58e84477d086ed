# unnetrc USER MARK: remove the user's .netrc if it is ours; somebody else's, and one that is gone, need nothing.
user=$1 mark=$2
home=$(getent passwd "$user" | cut -d : -f 6)
if [ -n "$home" ]; then
    runuser -u "$user" -- sh -euc '
        cd "$1" 2>/dev/null || exit 0
        rm -f .elforge.netrc.*
        [ ! -L .netrc ] && [ -f .netrc ] && [ "$(head -n 1 .netrc)" = "$2" ] || exit 0
        rm -f .netrc
    ' unnetrc "$home" "$mark" 9>&-
fi
rm -f "$STATE/netrc/$user"
rmdir "$STATE/netrc" 2>/dev/null || true
settle "$STATE"
