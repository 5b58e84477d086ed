# tmpfs UNIT PATH SIZE: the tmpfs of UNIT is mounted at PATH, now and at boot; where it is already, it has SIZE (bytes) then.
# What an untmpfs that was killed has left does not stay half done.
# uses: tmpfs_copy
size=$3
trap 'explain_refusal "$path"' EXIT
trusted "$dir"
systemctl daemon-reload
systemctl -q enable "$unit"
if mounted; then
    outlived
    discard
    # Kernels before 3.17 would else go back to relatime.
    mount -o remount,rw,strictatime,size="$size" "$path"
else
    land
    forgive "$unit"
    systemctl start "$unit" 9>&- || die "$path: the tmpfs cannot be mounted: $(systemctl status --no-pager -n 5 "$unit" 2>&1 || :)"
fi
trap - EXIT
