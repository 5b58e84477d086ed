# loaded UNIT VERB HEALTH FILE...: make UNIT take what is in its FILEs, by VERB restart or reload.
# HEALTH is shell that succeeds once the unit works; it is tried for 15 seconds or 15 times. When it does not, the FILEs go back to what the
# unit had loaded before, or else to the content that was last replaced, and the unit is started again.
# uses: restore
unit=$1 verb=$2 health=$3
shift 3
loaded=$RUN/$unit

healthy() {
    tries=0
    until systemctl is-active --quiet "$unit" && timeout 10 sh -c "$health" >/dev/null 2>&1 9>&-; do
        tries=$((tries + 1))
        [ $tries -lt 15 ] || return 1
        sleep 1
    done
}

# Same record as the unit's own ExecStartPre/ExecStartPost keep; a reload runs neither.
remember() {
    rm -rf "$loaded.new"
    mkdir -p "$loaded.new"
    for file in "$@"; do
        [ ! -e "$file" ] || cp "$file" "$loaded.new/"
    done
    rm -rf "$loaded"
    mv -T "$loaded.new" "$loaded"
}

# A start that succeeds renews the record, and the unit may turn out unhealthy only after it.
rm -rf "$loaded.old"
[ ! -d "$loaded" ] || cp -a "$loaded" "$loaded.old"
systemctl daemon-reload
forgive "$unit"
if timeout 300 systemctl "$verb" "$unit" 9>&- && healthy; then
    [ "$verb" = restart ] || remember "$@"
    exit 0
fi

journal=$(journalctl -u "$unit" -n 15 --no-pager -o cat 2>/dev/null || true)
for file in "$@"; do restore "$file"; done
systemctl daemon-reload
forgive "$unit"
timeout 300 systemctl restart "$unit" 9>&- || true
if healthy; then
    outcome="the previous configuration is back in place and $unit works with it" rc=5
else
    outcome="the previous configuration is back in place, but $unit is still down" rc=1
fi
say "$unit did not come back after $verb with its new configuration:"
say "$journal"
say "$outcome"
exit $rc
