# manifest (a part of deployed and undeployed): what a manifest (Manifest in operations/service.py) says, and how it comes true.
# The first argument is the application. A manifest has a line "KEY VALUE" each for release, probe, ready and unit, watcher, socket or port;
# "+ MODE PATH", and each line of that file after a "|".
name=$1
store=$STATE/service/$name
root=/opt/$name
work=$RUN/service-$name

said_in() { sed -n "s/^$1 //p" "$2" 2>/dev/null || true; }
# What systemd runs for it: sockets come before what they are for, what looks after that last.
all_of() { said_in socket "$1"; said_in unit "$1"; said_in watcher "$1"; }
# The name of a unit's file: shop@.service for shop@1.service.
file_of() { echo "$1" | sed 's/@.*\./@./'; }

# What tells whether all that the manifest has put somewhere is still there.
seal() { (set -- /dev/null $(sed -n 's/^+ [0-7]* //p' good); stat -c "%n %a %u %g" "$@"; sha256sum "$@"; readlink "$current"; stat -c '%s %Y %a %u' "$current"/bin/*; sha256sum "$current/elforge.record") 2>/dev/null | sha256sum | cut -c 1-64; }

# halt UNIT...: a look that is stopped half-way counts as failed, and a unit that has failed stays when its file goes.
halt() {
    systemctl stop "$@" 2>/dev/null || true
    systemctl reset-failed "$@" 2>/dev/null || true
}

# retire KEEP: what earlier manifests have brought and KEEP does not say is stopped and goes.
retire() {
    for before in "$store/good" "$store/tried"; do
        for each in $(all_of "$before"); do
            # A watcher would restart what is only on its way.
            case $each in *.timer) halt "$each" "${each%.timer}.service" ;; esac
            all_of "$1" | grep -qxF "$each" && continue
            systemctl -q disable "$each" 2>/dev/null || true
            halt "$each"
            rm -f "$RUN/stale-$each"
        done
        said_in + "$before" | while read -r _ path; do
            said_in + "$1" | cut -d ' ' -f 2- | grep -qxF "$path" && continue
            case $path in *.env) ;; *) keep "$path" ;; esac
            rm -f "$path"
        done
    done
}

# unpack MANIFEST: its files, below $work/files.
unpack() {
    rm -rf "$work"
    mkdir -p "$work/files"
    awk -v root="$work/files" '
        /^\|/ { print substr($0, 2) >out; next }
        /^[+] / { out = root $3; dir = out; sub(/\/[^\/]*$/, "", dir); system("mkdir -p \"" dir "\""); printf "" >out }
    ' "$1"
}

# place MODE PATH: one of them where it belongs, whole or not at all.
place() {
    [ ! -L "$2" ] && { [ ! -e "$2" ] || [ -f "$2" ]; } || die "$2 is not a regular file; move it away if it may go"
    if ! cmp -s "$work/files$2" "$2" || [ "$(stat -c '%a %u' "$2")" != "$1 0" ]; then
        parents "${2%/*}"
        temp=${2%/*}/.elforge.${2##*/}
        rm -f "$temp"
        dd if="$work/files$2" of="$temp" conv=fsync status=none
        chmod "$1" "$temp"
        label "$temp" "$2"
        case $2 in *.env) ;; *) keep "$2" ;; esac
        mv -fT "$temp" "$2"
        settle "${2%/*}"
    fi
}

# current RELEASE: the link that its units start from.
current() {
    [ "$(readlink "$root/current")" = "releases/$1" ] && return 0
    rm -rf "$root/.elforge.current"
    ln -s "releases/$1" "$root/.elforge.current"
    label "$root/.elforge.current" "$root/current"
    mv -fT "$root/.elforge.current" "$root/current"
    settle "$root"
}

# altered: a note of what came up last and may since have been started from something else: the file of its unit was edited, is of
# a run that was killed, or systemd has not read all of it. A process tells its program and its environment, nothing else of
# its unit. The note stays until the unit is started again, by a later run when this one is killed, or until the host boots.
altered() {
    [ -e "$store/good" ] || return 0
    unpack "$store/good"
    for each in $(said_in socket "$store/good") $(said_in unit "$store/good"); do
        file=/etc/systemd/system/$(file_of "$each")
        if ! cmp -s "$work/files$file" "$file" ||
            [ "$(systemctl show -p NeedDaemonReload "$each")" = NeedDaemonReload=yes ]; then
            : >"$RUN/stale-$each"
        fi
    done
}

pid_of() { systemctl show -p MainPID "$1" | cut -d = -f 2; }

# state_in FILE: what an environment, of a process or for one, says that it is of; in argv it would be a hint at the secrets
# that it was reckoned from.
state_in() { tr '\000' '\n' <"$1" | sed -n 's/^ELFORGE_STATE=//p'; }

# fresh UNIT: whether it runs this release, started with what is declared.
fresh() {
    [ ! -e "$RUN/stale-$1" ] || return 1
    systemctl is-active --quiet "$1" || return 1
    pid=$(pid_of "$1")
    [ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$root/releases/$release")/bin/$name" ] &&
        [ "$(state_in "/proc/$pid/environ")" = "$(state_in "/etc/elforge/service/$name.env")" ]
}

answers() {
    case $1 in *@*) instance=${1#*@} instance=${instance%.service} ;; *) instance= ;; esac
    target=$(printf %s "$probe" | sed "s/{instance}/$instance/")
    [ -z "$probe" ] || sh "/etc/elforge/service/$name.probe" "$target" "$wait" >/dev/null 2>&1 9>&-
}

# ready UNIT: it answers and has not died over it, within the time that it may take.
ready() {
    deadline=$(($(cut -d . -f 1 /proc/uptime) + patience))
    while :; do
        pid=$(pid_of "$1")
        if systemctl is-active --quiet "$1" && answers "$1"; then
            sleep 2
            if systemctl is-active --quiet "$1" && [ "$pid" = "$(pid_of "$1")" ]; then return 0; fi
        fi
        ! systemctl is-failed --quiet "$1" || return 1
        [ "$(cut -d . -f 1 /proc/uptime)" -lt $deadline ] || return 1
        sleep 1
    done
}

start() {
    systemctl reset-failed "$1" 2>/dev/null || true
    timeout $((patience + 60)) systemctl restart "$1" 9>&-
    rm -f "$RUN/stale-$1"
}

# watched MANIFEST: what looks after it begins to.
watched() { for each in $(said_in watcher "$1"); do systemctl restart "$each"; done; }

# listen SOCKET UNIT: it takes nothing new while it listens, and cannot be restarted before its service is stopped.
listen() {
    started=$RUN/socket-$1
    if ! systemctl is-active --quiet "$1" || [ -e "$RUN/stale-$1" ] || ! cmp -s "/etc/systemd/system/$1" "$started"; then
        systemctl stop "$2" 2>/dev/null || true
        systemctl restart "$1"
        rm -f "$RUN/stale-$1"
        cp "/etc/systemd/system/$1" "$started"
    fi
}

# activate MANIFEST: one instance after the other, so that those which work go on until the one before them does.
activate() {
    release=$(said_in release "$1") probe=$(said_in probe "$1") patience=$(said_in ready "$1") wait=$(said_in timeout "$1")
    retire "$1"
    unpack "$1"
    said_in + "$1" | grep -v "\.env\$" | while read -r mode path; do place "$mode" "$path"; done
    current "$release"
    # All before the one reload: each of its own would come after a start, which systemd before 255 forgets over that, so
    # that a crash loop went on beyond its limit.
    for each in $(all_of "$1"); do
        failing=$each
        systemctl -q --no-reload enable "$each"
    done
    failing=
    systemctl daemon-reload
    # Last, since a process that has it is taken for one that was started with all the rest.
    said_in + "$1" | grep "\.env\$" | while read -r mode path; do place "$mode" "$path"; done
    for each in $(said_in socket "$1"); do
        failing=$each
        listen "$each" "$(said_in unit "$1")"
    done
    for each in $(said_in unit "$1"); do
        failing=$each
        # What its probe counted was another's, and while nobody looks after it, a hang is for us to end.
        rm -f "$RUN/probe/$each"
        if ! fresh "$each" || ! ready "$each"; then
            start "$each"
            ready "$each"
        fi
    done
    watched "$1"
    failing=
}

# attempt MANIFEST: set -e counts for nothing in what is asked whether it succeeds, but it does in a process of its own.
attempt() {
    set +e
    (set -e; trap 'echo "$failing" >"$RUN/service-failing"' EXIT; failing=; activate "$1")
    outcome=$?
    set -e
    failing=$(cat "$RUN/service-failing")
    rm -rf "$work" "$RUN/service-failing"
    return 0
}
