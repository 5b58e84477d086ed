# Start of every script that changes a host: strict shell, C locale, one change at a time.
set -eu
umask 077
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
STATE=/var/lib/elforge
RUN=/run/elforge

# When the control side is gone there is nobody to tell, but the work, a rollback above all, goes on.
trap '' PIPE
say() { echo "$*" >&2 || :; }
die() { say "$@"; exit 1; }

# A run whose control process was killed leaves its last command running: the next run waits for it
# here. The kernel frees the lock when the holder dies.
lock() {
    mkdir -p "$RUN"
    exec 9>"$RUN/lock"
    flock -w 600 9 || die "another elforge command has been running on this host for 10 minutes: see fuser $RUN/lock"
}

# Make a directory and what is missing above it, for all to pass: -m is about the last one only. What root keeps for
# itself stays closed.
parents() {
    case $1 in "$STATE" | "$STATE"/*) mkdir -p "$STATE" ;; esac
    (umask 022 && mkdir -p -Z "$1" 2>/dev/null || mkdir -p "$1")
}

# Root works only where nobody else can put a link into its way: not in a directory of somebody else, nor in one that
# others may write and that has no sticky bit. What counts is each name of the path, and each of where links lead.
trusted() {
    real=$(readlink -m "$1/")
    [ "$1" = "$real" ] || set -- "$1" "$real"
    for place in "$@"; do
        shift
        while [ -n "$place" ]; do
            if [ -e "$place" ] || [ -L "$place" ]; then set -- "$@" "$place"; fi
            place=${place%/*}
        done
    done
    [ $# = 0 ] || ours "$@" && return 0
    for place in "$@"; do
        ours "$place" || die "$place is not root's alone (ls -ld $place): root does not work in what others can change"
    done
}

# Who runs this is root on every host. All of them in one go: each change asks for each directory above it.
ours() {
    me=$(id -u)
    own=$(find "$@" -prune \( -uid 0 -o -uid "$me" \) -printf x)
    closed=$(find -L "$@" -prune \( -uid 0 -o -uid "$me" \) \
        \( -perm -1000 -o ! -perm -0002 \( ! -perm -0020 -o -gid 0 \) \) -printf x)
    [ "${#own}" = $# ] && [ "${#closed}" = $# ]
}

digest() { sha256sum <"$1" | cut -c 1-64; }

# Keep the content of a regular file that is about to go: once, by digest, for root only.
# Its time of modification says when it was last in place, so the newest one is the previous one.
keep() {
    [ -f "$1" ] && ! [ -L "$1" ] || return 0
    case $1 in "$STATE"/*) return 0 ;; esac
    kept=$STATE/backup$1
    mkdir -p "$kept"
    sum=$(digest "$1")
    if ! [ -e "$kept/$sum" ]; then
        cp "$1" "$kept/.new"
        mv -f "$kept/.new" "$kept/$sum"
    fi
    touch "$kept/$sum"
}

# Say which attribute makes a path immutable: root's "Operation not permitted" does not.
explain_refusal() {
    for place in "$1" "${1%/*}"; do
        case $(lsattr -d "$place" 2>/dev/null | cut -d ' ' -f 1) in
        *i*) say "$place is immutable (chattr +i): run chattr -i $place if it may change" ;;
        *a*) say "$place is append-only (chattr +a): run chattr -a $place if it may change" ;;
        esac
    done
}

# Give a new file the SELinux label that belongs to its final path, before it gets there. A directory gets its own
# from mkdir -Z, which does nothing more than mkdir where SELinux is off.
label() {
    if command -v selinuxenabled >/dev/null && selinuxenabled; then
        chcon -h "$(matchpathcon -n "$2")" "$1" 2>/dev/null || true
    fi
}

# Let systemd read a unit's files again, if they are not what it has read.
reread() {
    [ "$(systemctl show -p NeedDaemonReload "$1")" != NeedDaemonReload=yes ] || systemctl daemon-reload
}

# Let a unit start again that failed too often, and the sockets and the like that it pulls in with it.
forgive() {
    # shellcheck disable=SC2046
    systemctl reset-failed "$1" $(systemctl show -p Requires "$1" | cut -d = -f 2-) 2>/dev/null || true
}

# Make a rename survive a power cut: flush its directory, and not all of the host's disks. EL7's sync (coreutils
# 8.22) cannot do that, its python can.
settle() {
    if sync --help 2>/dev/null | grep -q -e --file-system; then
        sync "$1"
    else
        python -c 'import os, sys; os.fsync(os.open(sys.argv[1], os.O_RDONLY))' "$1" 2>/dev/null || sync
    fi
}

# The same for all that was written below a directory.
settle_all() {
    if sync --help 2>/dev/null | grep -q -e --file-system; then sync -f "$1"; else sync; fi
}

lock
