# deployed NAME [RELEASE]: make a release of an application the one that runs: the manifest on stdin, as base64, or the one
# that RELEASE has come up with before. When it does not come up, the one before it is back.
# uses: manifest
end() {
    explain_refusal "$root"
    explain_refusal /etc/systemd/system
    # What is left half done, by a time limit, too, may come back to life, and not without its watchers.
    if [ -e "$store/tried" ] && [ -e "$store/good" ]; then watched "$store/good" || true; fi
}
trap end EXIT
trap 'exit 143' HUP INT TERM
trusted "$root"
trusted /etc/systemd/system
parents "$store"
goal=$store/declared
forget() {
    rm -rf "$work" "$goal"
    rmdir "$store" 2>/dev/null || true
}
refuse() {
    forget
    die "$name: $*"
}
if [ -n "${2-}" ]; then
    cp "$store/proven.$2" "$goal"
else
    base64 -d >"$goal"
fi
# ports IN_FORCE RUNS: the ports of a manifest are other deploys' work, which no release takes back.
ports() {
    has=$(said_in port "$1" | paste -s -d , -) had=$(said_in port "$2" | paste -s -d , -)
    [ "$has" = "$had" ] ||
        say "$name: firewall and SELinux have what release $(said_in release "$1") was declared with (${has:-no port})," \
            "not what release $(said_in release "$2") had (${had:-no port}): until that is declared, clients may not reach it"
}
# A digest of it in argv would be a hint at the secrets that it holds.
[ "$(tail -n 1 "$goal")" = "# end" ] || refuse "what is declared did not arrive whole; nothing was changed"
release=$(said_in release "$goal")
[ -x "$root/releases/$release/bin/$name" ] || refuse "there is no release $release on this host"

# systemd itself judges the units before any of them is in place, with the program that they will start.
unpack "$goal"
units=$work/files/etc/systemd/system
for file in "$units"/*; do
    sed -i "s|$root/current/|$root/releases/$release/|" "$file"
done
for each in $(all_of "$goal"); do
    [ -e "$units/$each" ] || cp "$units/$(file_of "$each")" "$units/$each"
    wrong=$(SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify "$units/$each" 2>&1 9>&- |
        grep -e "$units/" -e "^$each:" -e "$each has a bad" -e "$each.*Refusing" || true)
    [ -z "$wrong" ] || refuse "systemd refuses $each, nothing was changed: $wrong"
done

altered
# From here to the end of this script, what is half done is known to be so.
cat "$goal" >>"$store/tried"
settle "$store/tried"
settle "$store"
for each in $(said_in unit "$goal"); do
    ! systemctl is-failed --quiet "$each" ||
        say "$each had failed before: $(journalctl -u "$each" -n 5 --no-pager -o cat 2>/dev/null || true)"
done
failing=
attempt "$goal"
if [ $outcome = 0 ]; then
    [ -z "${2-}" ] || [ ! -e "$store/good" ] || ports "$store/good" "$goal"
    cp "$goal" "$store/.new"
    settle_all "$store"
    mv -f "$store/.new" "$store/proven.$release"
    mv -f "$goal" "$store/good"
    current=$root/current
    (cd "$store" && seal >seal)
    settle_all "$store"
    rm -f "$store/tried"
    for each in "$store"/proven.*; do [ -d "$root/releases/${each##*/proven.}" ] || rm -f "$each"; done
    trap - EXIT
    echo "$name: release $release is up" || :
    systemd-analyze security --no-pager "$(said_in unit "$store/good" | head -n 1)" 2>/dev/null |
        sed -n 's/^.*\(Overall exposure level for [^ ]* [0-9.]*\).*$/\1/p' || true
    exit 0
fi

journal=$(journalctl -u "${failing:-$name}" -n 15 --no-pager -o cat 2>/dev/null || true)
say "$name: release $release did not come up within $(said_in ready "$store/tried" | tail -n 1) seconds${failing:+: $failing}"
say "$journal"
if [ -e "$store/good" ]; then
    before=$(said_in release "$store/good")
    attempt "$store/good"
    if [ $outcome = 0 ]; then
        rm -f "$store/tried"
        say "$name: release $before is back, as it was, and works"
    else
        say "$name: release $before is back, as it was, but does not work either"
    fi
    [ -n "${2-}" ] || ports "$goal" "$store/good"
else
    retire /dev/null
    rm -f "$root/current" "$store/tried"
    systemctl daemon-reload
    say "$name: there was no release before it, so none runs"
fi
forget
exit 1
