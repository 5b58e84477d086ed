# undeployed NAME: an application goes with its units and its releases; its data and its user stay, and so does a directory
# below releases that has no record and never came up: it is somebody else's.
# uses: manifest
trap 'explain_refusal "$root"; explain_refusal /etc/systemd/system' EXIT
trusted "$root"
if [ -d "$store" ]; then
    retire /dev/null
    systemctl daemon-reload
    rm -f "$root/current"
    rm -rf "$root/.elforge.current"
fi
releases=$root/releases
rm -rf "$releases"/.build.* "$releases"/.old.* "$releases/.incoming"
for each in "$releases"/*; do
    if [ -d "$each" ] && { [ -e "$each/elforge.record" ] || [ -e "$store/proven.${each##*/}" ]; }; then
        # By a rename: killed half-way, it would have no record any more.
        mv -T "$each" "$releases/.old.${each##*/}"
        rm -rf "$releases/.old.${each##*/}"
    fi
done
rm -rf "$RUN/probe/$name".* "$RUN/probe/$name@"* "$RUN/stale-$name".* "$RUN/stale-$name@"* "$RUN/socket-$name.socket"
rmdir "$releases" "$root" 2>/dev/null || true
rm -f "$STATE/service/build-$name.log"
# Last, since by it a run that was killed is known to have been at it.
rm -rf "$store"
trap - EXIT
