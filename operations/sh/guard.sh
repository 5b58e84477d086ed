# guard (a library): functions for a change that may cut off the very connection that makes it. A script prepares $GUARD/NAME
# with two scripts, `commit` and `revert`, then calls `arm`; the control side confirms over a new connection
# (confirm.sh), or the host reverts by itself. Nothing of the change is to outlive a reboot before `commit`.
GUARD=$STATE/guard

# The claim decides between the two: whoever renames the file first.
claim() { mv "$RUN/guard.$1" "$RUN/guard.$1.$2" 2>/dev/null; }

disarm() {
    systemctl stop "elforge-revert-$1.timer" "elforge-revert-$1-late.timer" >/dev/null 2>&1 || true
    systemctl reset-failed "elforge-revert-$1.service" "elforge-revert-$1-late.service" >/dev/null 2>&1 || true
    rm -f "$RUN/guard.$1" "$RUN/guard.$1".*
}

# over NAME: nothing waits any more. What the change was made from goes last: until then it may have to be taken back.
over() {
    disarm "$1"
    rm -rf "${GUARD:?}/$1"
}

# waits NAME: whether a change waits, was claimed by somebody who then died, or could not be taken back. We have the
# lock, so nobody is at it.
waits() {
    for left in "" .superseded .confirmed .failed .reverting; do [ ! -e "$RUN/guard.$1$left" ] || return 0; done
    return 1
}

# undo NAME: take back what waits.
undo() {
    claim "$1" superseded || true
    sh "$GUARD/$1/revert" 9>&- || die "$1: an earlier change was not confirmed, and cannot be taken back"
    over "$1"
}

# A timer's own accuracy is a minute. It waits for the lock: a change that is still being made is not taken back
# under its feet. No variable of the shell's in here: systemd would put its own in its place.
timer() {
    systemd-run --quiet --unit="elforge-revert-$1$3" --on-active="$2" --timer-property=AccuracySec=1s /bin/sh -c "
        exec 9>>$RUN/lock
        flock -w 900 9
        mv $RUN/guard.$1 $RUN/guard.$1.reverting || exit 0
        if sh $GUARD/$1/revert 9>&-; then
            mv $RUN/guard.$1.reverting $RUN/guard.$1.reverted
            rm -rf $GUARD/$1
        else
            mv $RUN/guard.$1.reverting $RUN/guard.$1.failed
        fi
        systemctl stop elforge-revert-$1.timer elforge-revert-$1-late.timer" >/dev/null 2>&1 9>&-
}

# arm NAME SECONDS ID: before the change, for longer than it may take to make it. ID: which change that is.
arm() {
    disarm "$1"
    echo "$3" >"$RUN/guard.$1"
    timer "$1" "$(($2 + 180))" -late || {
        over "$1"
        die "systemd-run cannot arm the timer that would undo the change; nothing was changed"
    }
}

# made NAME SECONDS: from now on a new connection has SECONDS.
made() { timer "$1" "$2" "" || say "systemd-run cannot arm the timer: in $(($2 + 180)) seconds it is undone"; }
