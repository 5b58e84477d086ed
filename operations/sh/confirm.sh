# confirm NAME ID: sent over a new connection, it makes the change ID that NAME's guard watches a lasting one. It fails
# when the host has gone back, or waits until it has when the guard is already at it.
# uses: guard
if [ "$(cat "$RUN/guard.$1" 2>/dev/null)" = "$2" ] && claim "$1" confirmed; then
    outcome=0
    said=$(sh "$GUARD/$1/commit" 2>&1 9>&-) || outcome=1
    if [ $outcome != 0 ]; then
        back="the host is as it was before"
        sh "$GUARD/$1/revert" >/dev/null 2>&1 9>&- || back="and that does not work either"
        said="$1: reverted: the change could not be made a lasting one ($said); $back"
    fi
    disarm "$1"
    [ $outcome = 0 ] || die "$said"
    exit 0
fi
tries=0
while [ -e "$RUN/guard.$1.reverting" ] && [ $tries -lt 60 ]; do
    sleep 1
    tries=$((tries + 1))
done
[ ! -e "$RUN/guard.$1.failed" ] || die "$1: the change was not confirmed in time, and going back has failed: see journalctl -u elforge-revert-$1"
[ -e "$RUN/guard.$1.reverted" ] || die "$1: nothing of this run waits to be confirmed; was the host restarted, or is another run at work?"
die "$1: reverted: no new connection came through in time, and the host is as it was before"
