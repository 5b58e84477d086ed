# confirm NAME: sent over a new connection, it makes the change that NAME's guard watches a lasting one. It fails
# when the host has gone back, or waits until it has when the guard is already at it.
# uses: guard
if claim "$1" confirmed; then
    sh "$GUARD/$1/commit" 9>&-
    disarm "$1"
    exit 0
fi
tries=0
while [ -e "$RUN/guard.$1.reverting" ] && [ $tries -lt 60 ]; do
    sleep 1
    tries=$((tries + 1))
done
[ -e "$RUN/guard.$1.reverted" ] || die "$1: nothing waits to be confirmed; was the host restarted?"
die "$1: reverted: no new connection came through in time, and the host is as it was before"
