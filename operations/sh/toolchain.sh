# toolchain (the recipe on stdin, see Recipe in operations/go.py): Go, in place only once it is proven.
# uses: download
recipe=$(base64 -d)
while read -r key value; do
    case $key in '' | *[!a-z]*) die "not a recipe: $key" ;; esac
    eval "$key=\$value"
done <<EOF
$recipe
EOF
final=$root/$name
# Not below /tmp, which may be mounted noexec, and beside its place, so that it gets there by a rename.
work=$root/.build.$name
tree=$work/new/go
cache=$STATE/go/downloads
log=$STATE/go/$name.log
case $cc in '') compiler=gcc ;; *) compiler=$cc ;; esac

tell() { echo "$name: $*" || :; }

# Nothing of root's environment reaches what the unprivileged user runs. No path of these holds a space.
clean="env -i HOME=$work TMPDIR=$work/tmp GOCACHE=$work/cache PATH=/usr/bin:/bin LC_ALL=C"

as_user() {
    # shellcheck disable=SC2086
    (cd "$work" && exec runuser -u "$user" -- $clean GOENV=off GOFLAGS= GOPROXY=off GOTOOLCHAIN=local \
        CC="$compiler" "$@" </dev/null 9>&-)
}

room() {
    mkdir -p -m 755 "$1"
    free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$2" ] || die "$name: $1 has $free MB free, $2 MB are needed"
}

look_before() {
    if [ "$cgo" = 1 ]; then
        command -v "$compiler" >/dev/null || die "$name: no C compiler: there is no $compiler on this host"
    fi
    room "$STATE" 300
    case $method in
    source)
        room "$root" 1500
        memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
        [ "$memory" -ge 1024 ] || die "$name: a build needs 1024 MB of memory, $memory MB are available"
        ;;
    *) room "$root" 600 ;;
    esac
}

# obtain FILE SHA256 SIZE: a release file, kept until the toolchain is in place, so that a repeat goes on.
obtain() {
    # The digest in its name keeps a partial download from being continued with another file's bytes.
    stored=$cache/$2.$1
    [ -f "$stored" ] && [ "$(digest "$stored")" = "$2" ] && return 0
    tell "downloading $1"
    urls=
    for base in $bases; do urls="$urls $base/$1"; done
    # shellcheck disable=SC2086
    download "$stored" "$2" "$3" $urls || die "$name: $1 was not to be had; nothing has changed"
}

# unpack FILE FOLDER: by the unprivileged user, who reads what only root can open.
unpack() {
    as_user mkdir -p "$2"
    (cd "$work" && runuser -u "$user" -- tar -xz --no-same-owner -C "$2") <"$1" 9>&- ||
        die "$name: $1 cannot be unpacked"
}

build() {
    case $bootstrap in
    /*) from=$bootstrap ;;
    *)
        # shellcheck disable=SC2086
        obtain $bootstrap
        unpack "$stored" "$work/bootstrap"
        from=$work/bootstrap/go
        ;;
    esac
    tell "building from source; the log is $log"
    {
        bounded_build || echo "$?" >"$work/failed"
    } 2>&1 | tee "$log" || :
    [ ! -e "$work/failed" ] || die "$name: make.bash failed; $log ends with: $(tail -n 4 "$log" | tr '\n' ' ')"
    rm -rf "$tree/pkg/obj" "$tree/pkg/bootstrap"
}

# A scope runs it here, in a control group of its own; a service would lose its output and its exit status.
bounded_build() {
    # shellcheck disable=SC2086
    systemd-run --scope --quiet -p "$limit" timeout -k 10 "$seconds" runuser -u "$user" -- $clean \
        GOROOT_BOOTSTRAP="$from" GOROOT_FINAL="$final" CGO_ENABLED="$cgo" ${cc:+CC="$cc"} \
        sh -c 'cd "$1/src" && exec bash ./make.bash' build "$tree" </dev/null 9>&-
}

# compiles CGO_ENABLED FLAG: a program is compiled and runs. Its text is on stdin.
compiles() {
    cat >"$work/probe.go"
    chmod 644 "$work/probe.go"
    as_user env CGO_ENABLED="$1" "$tree/bin/go" build $2 -o "$work/tmp/probe" "$work/probe.go" &&
        [ "$(as_user "$work/tmp/probe" 2>&1)" = "42" ]
}

# A bin/go is there minutes before a build has come to its end, and long after it has failed.
prove() {
    tell "compiling test programs"
    said=$(as_user "$tree/bin/go" version) || die "$name: bin/go does not run"
    [ "$said" = "go version go$version linux/$arch" ] || die "$name: this is another Go: $said"
    if [ "$method" != binary ]; then
        said=$(as_user "$tree/bin/go" env CGO_ENABLED)
        [ "$said" = "$cgo" ] || die "$name: CGO_ENABLED is $said, not $cgo"
    fi
    compiles 0 "" <<'GO' || die "$name: a plain program does not compile"
package main

func main() { println(42) }
GO
    [ "$cgo" = 1 ] || return 0
    compiles 1 "" <<'GO' || die "$name: a cgo program does not compile with $compiler"
package main

// #include <stdlib.h>
// static int answer(void) { return abs(-42); }
import "C"

func main() { println(int(C.answer())) }
GO
    [ "$race" = yes ] || return 0
    compiles 1 -race <<'GO' || die "$name: a program with -race does not compile with $compiler"
package main

func main() {
	c := make(chan int)
	go func() { c <- 42 }()
	println(<-c)
}
GO
}

# The policy for every toolchain is one file (deploys/goenv.py); before Go 1.21 there was none.
share_policy() {
    rm -f "$tree"/elforge.*
    [ -f "$tree/go.env" ] && ! [ -L "$tree/go.env" ] || return 0
    mv "$tree/go.env" "$tree/go.env.upstream"
    ln -s "$policy" "$tree/go.env"
}

# What every file was when it was proven, and, written last, the record by which a later run knows it.
record() {
    chown -R root:root "$tree"
    chmod -R u+w,go-w,a+rX "$tree"
    (cd "$tree" && find . -type f ! -path "./elforge.*" -print0 | sort -z | xargs -0 sha256sum >elforge.sha256)
    seal=$(cd "$tree" && seal)
    printf 'version %s\nmanifest %s\nseal %s\n' "$version" "$(digest "$tree/elforge.sha256")" "$seal" \
        >"$tree/elforge.record"
    chmod 644 "$tree/elforge.record" "$tree/elforge.sha256"
}

seal() { stat -c '%n %s %Y' bin/* pkg/tool/*/* 2>/dev/null | sha256sum | cut -c 1-64; }

seed_policy() {
    [ ! -e "$policy" ] && [ -f "$tree/go.env.upstream" ] || return 0
    mkdir -p -m 755 "${policy%/*}"
    cp "$tree/go.env.upstream" "${policy%/*}/.elforge.go.env"
    chmod 644 "${policy%/*}/.elforge.go.env"
    mv -f "${policy%/*}/.elforge.go.env" "$policy"
}

install_tree() {
    seed_policy
    settle_tree
    # Before it gets to its place: a run that is killed after that has nothing to come back for.
    rm -rf "$cache" "$root/.incoming" "$final.tar.gz" "$final.tar.gz.sha256"
    [ ! -e "$final" ] || mv -T "$final" "$root/.old.$name"
    mv -T "$tree" "$final"
    settle "$root"
    if command -v selinuxenabled >/dev/null && selinuxenabled; then restorecon -R "$final" || true; fi
}

settle_tree() {
    if sync --help 2>/dev/null | grep -q -e --file-system; then sync -f "$root"; else sync; fi
}

trap 'explain_refusal "$root"' EXIT
look_before
mkdir -p -m 755 "$root"
mkdir -p "$cache"
rm -rf "$root"/.build.* "$root"/.old.*
trap 'rm -rf "$work" || :; explain_refusal "$root"' EXIT
# Root's alone at the top, so that the user cannot put links where root will step; the parts are the user's.
mkdir -m 711 "$work"
for part in new tmp cache bootstrap; do
    mkdir -m 700 "$work/$part"
    chown "$user:$user" "$work/$part"
done
case $method in
archive)
    chown root "${archive%/*}" "$archive"
    [ "$(digest "$archive")" = "$sha" ] || die "$name: the archive did not arrive whole"
    unpack "$archive" "$work/new"
    (cd "$tree" && sha256sum --quiet -c elforge.sha256) || die "$name: the archive's files differ from its list"
    ;;
*)
    # shellcheck disable=SC2086
    obtain $file
    unpack "$stored" "$work/new"
    [ "$method" = binary ] || build
    ;;
esac
prove
share_policy
record
install_tree
rm -rf "$work" "$root"/.old.*
trap - EXIT
tell "in place"
