# firewalld STEPS VERB SECONDS ENABLE RIVALS SHA256 [ZONE=INTERFACE...]: change firewalld's files as one, and the daemon with them.
# STEPS: the text of firewalld_steps.sh.
# VERB: reload (a running daemon), start, stop, offline (a stopped one stays so). SECONDS: how long the host waits for
# a confirmation before it goes back, 0 for no wait. ENABLE: enable, disable, unmask or leave.
# RIVALS: services that own the packet filter, which it is taken from. ZONE=INTERFACE: where the daemon is to have an
# interface; an empty zone leaves it to the default one. On stdin, as base64 with this SHA256, the files: a line
# "+ PATH" or "- PATH" (goes), then each line of the text after a "|".
# uses: guard
steps=$1 verb=$2 seconds=$3 enable=$4 rivals=$5 sha=$6
shift 6
stage=$GUARD/firewalld
! waits firewalld || die "another run's change of the firewall waits for its confirmation; nothing was changed"
rm -rf "$stage"
mkdir -p "$stage/new" "$stage/old"
trap 'rm -rf "$stage"' EXIT
base64 -d >"$stage/payload" 2>/dev/null || true
[ "$(digest "$stage/payload")" = "$sha" ] || die "the new configuration did not arrive whole; nothing was changed"
printf '%s\n' "$@" >"$stage/interfaces"
active= enabled=
for unit in $rivals; do
    ! systemctl -q is-active "$unit" || active="$active $unit"
    ! systemctl -q is-enabled "$unit" 2>/dev/null || enabled="$enabled $unit"
done
was=$(systemctl is-enabled firewalld 2>/dev/null) || true
echo "verb=$verb enable=$enable rivals='$rivals' active='$active' enabled='$enabled' was='$was'" >"$stage/how"

# What commit and revert do as well, each as a process of its own.
printf '%s\n' "$steps" >"$stage/steps"
printf '. %s/steps\ncommit\n' "$stage" >"$stage/commit"
printf '. %s/steps\nrevert\n' "$stage" >"$stage/revert"

# Unpack, and note for each file how to get back.
awk -v root="$stage" '
    /^\|/ { print substr($0, 2) >out; next }
    /^[+-] / { path = substr($0, 3); out = root "/new" path; if (path != "/both") print >(root "/new.list") }
    /^[+] / { dir = out; sub(/\/[^\/]*$/, "", dir); system("mkdir -p \"" dir "\""); printf "" >out }
' "$stage/payload"
[ -e "$stage/new.list" ] || : >"$stage/new.list"
while read -r _ path; do
    if [ -e "$path" ]; then
        [ -f "$path" ] && ! [ -L "$path" ] || die "$path is not a regular file; move it away if it may go"
        mkdir -p "$stage/old${path%/*}"
        cp "$path" "$stage/old$path"
        echo "+ $path"
    else
        echo "- $path"
    fi
done <"$stage/new.list" >"$stage/old.list"
. "$stage/steps"
set -e

# firewalld itself judges the whole configuration before any of it is in place.
cp -a /etc/firewalld "$stage/etc"
while read -r sign path; do
    case $path in
    /etc/firewalld/*)
        copy=$stage/etc${path#/etc/firewalld}
        mkdir -p "${copy%/*}"
        if [ "$sign" = + ]; then cp "$stage/new$path" "$copy"; else rm -f "$copy"; fi
        ;;
    esac
done <"$stage/new.list"
said=$(timeout 60 firewall-offline-cmd --system-config="$stage/etc" --check-config 2>&1 9>&-) ||
    die "firewalld refuses the new configuration, nothing was changed: $said"
while read -r _ path; do keep "$path"; done <"$stage/old.list"
while read -r sign path; do [ "$sign" = - ] || parents "${path%/*}"; done <"$stage/new.list"

case $verb in
reload)
    while IFS== read -r _ interface; do
        [ -z "$interface" ] || echo "$(firewall-cmd --get-zone-of-interface="$interface" 2>/dev/null)=$interface"
    done <"$stage/interfaces" >"$stage/interfaces.before"
    ;;
esac
save_rules before || die "iptables-save fails, so that Docker's rules could not be told from before; nothing was changed"
# What waits for a confirmation is the daemon's alone: a boot brings the old files.
tried() { [ "$seconds" = 0 ] || install_files old; }
apply() {
    # shellcheck disable=SC2086
    [ -z "$active" ] || timeout 120 systemctl stop $active || return 1
    case $verb in
    reload) install_files new && reload && tried && place_interfaces interfaces ;;
    start)
        # Not for the next boot: only a commit enables it.
        [ "$enable" != unmask ] || { systemctl -q unmask firewalld && systemctl -q disable firewalld; } || return 1
        install_files new && forgive firewalld && timeout 120 systemctl start firewalld && timeout 30 firewall-cmd --state &&
            tried
        ;;
    stop) timeout 120 systemctl stop firewalld ;;
    esac && keep_docker
}
[ "$seconds" != 0 ] || claim_both
# The timer needs it from now on.
[ "$seconds" = 0 ] || { arm firewalld "$seconds" "$sha" && trap - EXIT; }
if [ "$verb" != offline ] && ! said=$(apply 2>&1 9>&-); then
    say "firewalld did not take its new configuration: $said"
    [ "$seconds" = 0 ] || claim firewalld failed || die "the guard of this change is gone: was the host restarted?"
    outcome="the previous configuration is back in place"
    revert >/dev/null 2>&1 9>&- || die "$outcome, and firewalld does not take that either: see journalctl -u firewalld"
    over firewalld
    die "reverted: $outcome"
fi
case $said in *"Docker's rules"*) say "$said" ;; esac
if [ "$seconds" = 0 ]; then
    if ! said=$(commit 2>&1 9>&-); then
        revert >/dev/null 2>&1 9>&- || die "the change could not be made a lasting one ($said), and going back has failed, too"
        die "reverted: the change could not be made a lasting one: $said"
    fi
else
    made firewalld "$seconds"
fi
