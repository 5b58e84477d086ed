# firewalld_steps (a library of its own, which firewalld.sh writes to the host): what commit and revert, each a
# process without common.sh, have in common with the change itself.
set -u
umask 077
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
stage=/var/lib/elforge/guard/firewalld
. "$stage/how"

# One file at a time and each of them whole: firewalld reads nothing but *.xml. firewalld.sh has made the directories.
install_files() {
    while read -r sign path; do
        if [ "$sign" = + ]; then
            temp=${path%/*}/.elforge.${path##*/}.new
            cp "$stage/$1$path" "$temp" && sync "$temp" 2>/dev/null && chmod 644 "$temp" && mv -fT "$temp" "$path" || return 1
        else
            rm -f "$path"
        fi
    done <"$stage/$1.list"
    # The renames, too: a host that is switched off by somebody who is locked out has to boot into the old files.
    sync -f /etc/firewalld 2>/dev/null || sync
}

reload() { timeout 120 firewall-cmd --reload && timeout 30 firewall-cmd --state; }

# A reload keeps some interfaces where they are and forgets others; one without a zone is in the default zone.
place_interfaces() {
    while IFS== read -r zone interface; do
        [ -n "$interface" ] || continue
        now=$(firewall-cmd --get-zone-of-interface="$interface" 2>/dev/null || true)
        if [ "$now" = "$zone" ]; then
            continue
        elif [ -n "$zone" ]; then
            firewall-cmd --zone="$zone" --change-interface="$interface" || return 1
        else
            firewall-cmd --zone="$now" --remove-interface="$interface" || return 1
        fi
    done <"$stage/$1"
}

save_rules() {
    for family in iptables ip6tables; do
        command -v "$family-save" >/dev/null || { : >"$stage/$family.$1" && continue; }
        "$family-save" >"$stage/$family.$1" || return 1
    done
}

# Print what iptables-restore needs to bring Docker's rules back that are in the first save and not in the second:
# chains of Docker's whole, its rules in other chains at their head again, in their order.
lost_rules() {
    awk '
        /^\*/ { table = $0; next }
        FILENAME == ARGV[1] { have[table, $0] = 1; next }
        /^-A / {
            # Engines since 28 keep ports that are published on loopback, and containers, from others in the table raw.
            loopback = table == "*raw" && $0 ~ /-d 127\.[0-9.]+\/32 ! -i lo .*--dport [0-9]+ .*-j DROP$/
            if ($2 ~ /^DOCKER/) {
                rules[table, $2] = rules[table, $2] $0 "\n"
                if (!((table, $0) in have)) lost[table, $2] = 1
                if (!((table, $2) in seen)) { seen[table, $2] = 1; chains[table] = chains[table] " " $2 }
            } else if ($2 ~ /^(PRE|POST)ROUTING$|^(IN|OUT)PUT$|^FORWARD$/ && ($0 ~ /DOCKER|docker0|br-[0-9a-f]/ || loopback) && !((table, $0) in have)) {
                tables[table] = 1
                line = $0; sub(/^-A [^ ]+/, "-I " $2 " 1", line); heads[table] = line "\n" heads[table]
            }
        }
        /^:DOCKER/ {
            name = substr($1, 2); tables[table] = 1
            if (!((table, name) in seen)) { seen[table, name] = 1; chains[table] = chains[table] " " name }
            have_chain = 0; for (key in have) { split(key, at, SUBSEP); if (at[1] == table && index(at[2], ":" name " ") == 1) have_chain = 1 }
            if (!have_chain) lost[table, name] = 1
        }
        END {
            for (table in tables) {
                text = ""; body = ""
                count = split(chains[table], names, " ")
                for (i = 1; i <= count; i++) if ((table, names[i]) in lost) {
                    text = text ":" names[i] " - [0:0]\n"; body = body rules[table, names[i]]
                }
                if (text body heads[table] != "") printf "%s\n%s%s%sCOMMIT\n", table, text, body, heads[table]
            }
        }' "$stage/$1.after" "$stage/$1.before"
}

# dockerd adds its rules again when it hears of a reload, if firewalld ran before it did; what is still missing when
# it has been at rest for three seconds, we add. (Engine 20.10 forgets DOCKER-ISOLATION-STAGE-1 and -2.)
keep_docker() {
    grep -q '^:DOCKER' "$stage/iptables.before" "$stage/ip6tables.before" || return 0
    tries=0 rest=0 last=
    while [ $tries -lt 20 ] && [ $rest -lt 3 ]; do
        save_rules after || return 1
        lost=$(lost_rules iptables; lost_rules ip6tables)
        [ -n "$lost" ] || return 0
        if [ "$lost" = "$last" ]; then rest=$((rest + 1)); else rest=0; fi
        last=$lost
        tries=$((tries + 1))
        sleep 1
    done
    for family in iptables ip6tables; do
        lost_rules "$family" >"$stage/$family.lost"
        [ ! -s "$stage/$family.lost" ] || "$family-restore" -n <"$stage/$family.lost" || return 1
        [ ! -s "$stage/$family.lost" ] || echo "Docker's rules were lost ($family) and are back" >&2
    done
}

# From now on nobody knows what is in force: what was ours, and what is to be, is ours.
claim_both() {
    own=/var/lib/elforge/firewalld
    mkdir -p -m 700 "$own"
    cp "$stage/new/both" "$own/.new" && sync "$own/.new" 2>/dev/null && mv -fT "$own/.new" "$own/owned.json"
}

commit() {
    claim_both || return 1
    install_files new || return 1
    chmod 600 /var/lib/elforge/firewalld/owned.json
    case $enable in
    enable | disable) systemctl -q "$enable" firewalld || return 1 ;;
    unmask) systemctl -q unmask firewalld && systemctl -q enable firewalld || return 1 ;;
    esac
    # shellcheck disable=SC2086
    [ -z "$rivals" ] || systemctl -q disable $rivals
}

# The start of firewalld has flushed what others had in the packet filter.
rules_back() {
    outcome=0
    # shellcheck disable=SC2086
    [ -z "$active" ] || timeout 120 systemctl start $active || outcome=1
    for family in iptables ip6tables; do
        [ ! -s "$stage/$family.before" ] || "$family-restore" <"$stage/$family.before" || outcome=1
    done
    return $outcome
}

revert() {
    undone=0
    install_files old || undone=1
    case $verb in
    start)
        systemctl stop firewalld || undone=1
        rules_back || undone=1
        ;;
    stop) timeout 120 systemctl start firewalld || undone=1 ;;
    reload)
        reload && place_interfaces interfaces.before || undone=1
        [ -z "$active" ] || rules_back || undone=1
        ;;
    esac
    # A commit may have failed half way.
    case $was in
    enabled) systemctl -q enable firewalld || undone=1 ;;
    disabled) systemctl -q disable firewalld || undone=1 ;;
    masked) systemctl -q mask firewalld || undone=1 ;;
    esac
    # shellcheck disable=SC2086
    [ -z "$enabled" ] || systemctl -q enable $enabled || undone=1
    keep_docker || undone=1
    return $undone
}
