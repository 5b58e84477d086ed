# shelve PROGRAM NAME VERSION ORIGIN [COMMIT]: a part of obtain and compile: a program becomes a release, in place only as a whole.
# Its record comes with it, by which a later run knows it.
stamp() { stat -c '%s %Y %a %u' "$1"; }

shelve() {
    releases=/opt/$2/releases
    new=$releases/.build.new place=$releases/$3
    # Of a script /proc/PID/exe names the interpreter: nobody could tell what runs.
    [ "$(head -c 4 "$1" | tail -c 3)" = ELF ] || die "$2: release $3 is no program of this system's own (ELF)"
    rm -rf "$new"
    (umask 022 && mkdir "$new" "$new/bin")
    cp "$1" "$new/bin/$2"
    chmod 755 "$new/bin/$2"
    printf 'origin %s\nstamp %s\n' "$4" "$(stamp "$new/bin/$2")" >"$new/elforge.record"
    [ -z "${5-}" ] || echo "commit $5" >>"$new/elforge.record"
    chmod 644 "$new/elforge.record"
    settle_all "$releases"
    # What is there is damaged, or was never whole.
    [ ! -e "$place" ] || mv -T "$place" "$releases/.old.$3"
    mv -T "$new" "$place"
    settle "$releases"
    if command -v selinuxenabled >/dev/null && selinuxenabled; then restorecon -R "$place" 9>&- || true; fi
    rm -rf "$releases"/.build.* "$releases"/.old.* "$releases/.incoming"
}
