# service UNIT ACTION... [-- FILE...]: enable, disable, unmask, start, stop, one after the other. When UNIT does not start with
# its FILEs, and had loaded something else when it last ran, that comes back, and UNIT with it.
# uses: restore
unit=$1 actions=
shift
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    actions="$actions $1"
    shift
done
[ $# = 0 ] || shift
loaded=$RUN/$unit

trouble() {
    say "$unit: $1"
    journalctl -u "$unit" -n 15 --no-pager -o cat >&2 2>/dev/null || true
}

start() {
    why="systemctl start failed"
    forgive "$unit"
    systemctl start "$unit" 9>&- || return 1
    # A unit that is not Type=notify counts as started before it had time to fail.
    why="started, then stopped again"
    sleep 1
    systemctl is-active --quiet "$unit"
}

had_loaded_others() {
    [ -d "$loaded" ] || return 1
    for file in "$@"; do
        [ "$(digest "$loaded/${file##*/}" 2>/dev/null)" = "$(digest "$file" 2>/dev/null)" ] || return 0
    done
    return 1
}

go_back() {
    rm -rf "$loaded.old"
    cp -a "$loaded" "$loaded.old"
    for file in "$@"; do restore "$file"; done
    systemctl daemon-reload
    start || die "the previous configuration is back in place, but $unit does not start with it either"
    say "the previous configuration is back in place and $unit has started with it"
    exit 5
}

reread "$unit"
for action in $actions; do
    if [ "$action" != start ]; then
        systemctl "$action" "$unit" 9>&- || { trouble "systemctl $action failed" && exit 1; }
    elif ! start; then
        trouble "$why"
        if had_loaded_others "$@"; then go_back "$@"; fi
        exit 1
    fi
done
