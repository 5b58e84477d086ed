# confirm NAME ID: sent over a new connection, it makes the change ID that NAME's guard watches a lasting one. It fails
# when the host has gone back. Sent again, because the answer was lost, it says the same.
# uses: guard
[ "$(cat "$RUN/guard.$1.done" 2>/dev/null)" != "$2" ] || exit 0
if [ "$(cat "$RUN/guard.$1" 2>/dev/null)" = "$2" ] && claim "$1" confirmed; then
    outcome=0
    said=$(sh "$GUARD/$1/commit" 2>&1 9>&-) || outcome=1
    if [ $outcome != 0 ]; then
        sh "$GUARD/$1/revert" >/dev/null 2>&1 9>&- ||
            die "$1: the change could not be made a lasting one ($said), and going back has failed, too"
        over "$1"
        die "$1: reverted: the change could not be made a lasting one ($said); the host is as it was before"
    fi
    over "$1"
    echo "$2" >"$RUN/guard.$1.done"
    exit 0
fi
[ ! -e "$RUN/guard.$1.failed" ] || die "$1: the change was not confirmed in time, and going back has failed: see journalctl -u elforge-revert-$1"
[ -e "$RUN/guard.$1.reverted" ] || die "$1: nothing of this run waits to be confirmed; was the host restarted, or is another run at work?"
die "$1: reverted: no new connection came through in time, and the host is as it was before"
