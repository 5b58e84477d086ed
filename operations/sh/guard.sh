# guard (a library): functions for a change that may cut off the very connection that makes it. A script prepares $GUARD/NAME
# with two scripts, `commit` and `revert`, then calls `arm`; the control side confirms over a new connection
# (confirm.sh), or the host reverts by itself. Nothing of the change is to outlive a reboot before `commit`.
GUARD=$STATE/guard

# The claim decides between the two: whoever renames the file first.
claim() { mv "$RUN/guard.$1" "$RUN/guard.$1.$2" 2>/dev/null; }

disarm() {
    systemctl stop "elforge-revert-$1.timer" >/dev/null 2>&1 || true
    systemctl reset-failed "elforge-revert-$1.service" >/dev/null 2>&1 || true
    rm -f "$RUN/guard.$1" "$RUN/guard.$1".*
}

# arm NAME SECONDS: systemd's own accuracy is a minute.
arm() {
    disarm "$1"
    : >"$RUN/guard.$1"
    systemd-run --quiet --unit="elforge-revert-$1" --on-active="$2" --timer-property=AccuracySec=1s \
        /bin/sh -c "mv $RUN/guard.$1 $RUN/guard.$1.reverting && sh $GUARD/$1/revert && mv $RUN/guard.$1.reverting $RUN/guard.$1.reverted" \
        >/dev/null 2>&1 9>&- || die "systemd-run cannot arm the timer that would undo the change; nothing was changed"
}
