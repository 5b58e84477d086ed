# service UNIT ACTION...: enable, disable, unmask, start, stop, one after the other.
unit=$1
shift
trouble() {
    say "$1"
    journalctl -u "$unit" -n 15 --no-pager -o cat >&2 2>/dev/null || true
    exit 1
}
reread "$unit"
for action in "$@"; do
    if [ "$action" = start ]; then
        forgive "$unit"
    fi
    systemctl "$action" "$unit" 9>&- || trouble "$unit: systemctl $action failed"
done
case " $* " in
*' start '*)
    # A unit that is not Type=notify counts as started before it had time to fail.
    sleep 1
    systemctl is-active --quiet "$unit" || trouble "$unit: started, then stopped again"
    ;;
esac
