# tmpfs UNIT PATH SIZE: the tmpfs of UNIT is mounted at PATH, now and at boot; where it is already, it has SIZE (bytes) then.
unit=$1 path=$2 size=$3
systemctl daemon-reload
systemctl -q enable "$unit"
if mountpoint -q "$path"; then
    # Kernels before 3.17 would else go back to relatime.
    mount -o remount,strictatime,size="$size" "$path"
else
    forgive "$unit"
    systemctl start "$unit" 9>&- || die "$path: the tmpfs cannot be mounted: $(systemctl status --no-pager -n 5 "$unit" 2>&1 || :)"
fi
