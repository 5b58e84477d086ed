# netrc USER MARK, content as base64 on stdin. The user writes it: root has no business in a directory of theirs,
# and may not enter it at all (NFS).
user=$1 mark=$2
home=$(getent passwd "$user" | cut -d : -f 6)
[ -n "$home" ] || die "no such user: $user"
# First the note for who takes it away again, so that no file is ever left without one.
mkdir -p "$STATE/netrc"
: >"$STATE/netrc/$user"
settle "$STATE/netrc"
runuser -u "$user" -- sh -euc '
    umask 077
    cd "$1"
    if [ -L .netrc ] || { [ -e .netrc ] && [ "$(head -n 1 .netrc)" != "$2" ]; }; then
        echo "$1/.netrc is not elforge'\''s, it stays as it is" >&2
        exit 1
    fi
    rm -f .elforge.netrc.*
    temp=$(mktemp .elforge.netrc.XXXXXX)
    trap "rm -f $temp" EXIT
    base64 -d | dd of="$temp" conv=fsync status=none
    if [ "$(tail -n 1 "$temp")" != "# end" ]; then
        echo "$1/.netrc: the new content did not arrive whole, the old file stays" >&2
        exit 1
    fi
    mv -fT "$temp" .netrc
    sync . 2>/dev/null || sync
' netrc "$home" "$mark" 9>&-
