# undeployed NAME: an application goes with its units and its releases; its data and its user stay.
# uses: manifest
trap 'explain_refusal "$root"; explain_refusal /etc/systemd/system' EXIT
trusted "$root"
if [ -d "$store" ]; then
    retire /dev/null
    systemctl daemon-reload
fi
rm -f "$root/current"
rm -rf "$root/releases" "$RUN/probe/$name".* "$RUN/probe/$name@"* "$RUN/stale-$name".* "$RUN/stale-$name@"* "$RUN/socket-$name.socket"
rmdir "$root" 2>/dev/null || true
rm -f "$STATE/service/build-$name.log"
# Last, since by it a run that was killed is known to have been at it.
rm -rf "$store"
trap - EXIT
