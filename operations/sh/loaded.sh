# loaded UNIT VERB HEALTH RELOADED FILE...: make UNIT take what is in its FILEs, by VERB restart or reload.
# HEALTH is shell that succeeds once the unit works, RELOADED once it says that it has reloaded since $since: systemctl cannot
# tell. They are tried for 15 seconds or 15 times. When they do not, the FILEs go back to what the unit had loaded before, or
# else to the content that was last replaced, and the unit takes them again.
# uses: restore
unit=$1 verb=$2 health=$3 reloaded=$4
shift 4
loaded=$RUN/$unit
export since

works() { systemctl is-active --quiet "$unit" && timeout 10 sh -c "$1" >/dev/null 2>&1 9>&-; }

comes() {
    tries=0
    until works "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 15 ] || return 1
        sleep 1
    done
}

# take VERB
take() {
    since=$(date +%s.%N) asked=$health
    [ "$1" = restart ] || asked="$health && $reloaded"
    forgive "$unit"
    timeout 300 systemctl "$1" "$unit" 9>&- && comes "$asked"
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
reread "$unit"
if take "$verb"; then
    [ "$verb" = restart ] || remember "$@"
    exit 0
fi

journal=$(journalctl -u "$unit" -n 15 --no-pager -o cat 2>/dev/null || true)
for file in "$@"; do restore "$file"; done
systemctl daemon-reload
# A unit that works has only refused to reload, and what runs in it does not have to stop for that.
back=restart
if [ "$verb" = reload ] && works "$health"; then back=reload; fi
if take "$back" || { [ "$back" = restart ] && comes "$health"; }; then
    [ "$back" = restart ] || remember "$@"
    outcome="the previous configuration is back in place and $unit works with it" rc=5
else
    outcome="the previous configuration is back in place, but $unit does not work with it either" rc=1
fi
say "$unit did not come back after $verb with its new configuration:"
say "$journal"
say "$outcome"
exit $rc
