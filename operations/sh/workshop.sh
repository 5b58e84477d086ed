# workshop DIR USER PART...: a part of toolchain and compile: where an unprivileged user works for root. DIR is root's alone
# at the top, so that the user cannot put links where root will step; the PARTs in it are the user's.
workshop() {
    work=$1 user=$2
    shift 2
    # Nothing of root's environment reaches what the user runs. No path of these holds a space.
    clean="env -i HOME=$work TMPDIR=$work/tmp GOCACHE=$work/cache PATH=/usr/bin:/bin LC_ALL=C"
    mkdir -m 711 "$work"
    for part in "$@"; do
        mkdir -m 700 "$work/$part"
        chown "$user:" "$work/$part"
    done
}

as_user() {
    # shellcheck disable=SC2086
    (cd "$work" && exec runuser -u "$user" -- $clean "$@" 9>&-)
}

# What the user has made becomes root's before root works on it: no process of that user is left to change it.
dismissed() { pkill -KILL -u "$user" || :; }
