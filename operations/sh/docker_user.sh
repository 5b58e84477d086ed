# docker_user keep SHA256 LINES, or docker_user clear: keep an allow list in DOCKER-USER, or take it away. On stdin, as
# base64 with this SHA256, the unit in its first LINES lines, then the program that it runs. Repeated, it does the same.
unit=elforge-docker-user.service
file=/etc/systemd/system/$unit
program=$STATE/docker-user
place() {
    sync "$2.new" 2>/dev/null || true
    chmod "$1" "$2.new"
    label "$2.new" "$2"
    mv -fT "$2.new" "$2"
    settle "${2%/*}"
}
if [ "$1" = clear ]; then
    systemctl -q disable --now "$unit" 9>&- 2>/dev/null || true
    [ ! -e "$program" ] || sh "$program" clear
    rm -f "$file" "$program" "$file.new" "$program.new"
    systemctl daemon-reload
    systemctl reset-failed "$unit" 2>/dev/null || true
    exit 0
fi
mkdir -p "$STATE"
text=$(base64 -d 2>/dev/null) || true
[ "$(printf '%s\n' "$text" | sha256sum | cut -c 1-64)" = "$2" ] || die "the rules did not arrive whole; nothing was changed"
keep "$file"
printf '%s\n' "$text" | sed "1,$3d" >"$program.new"
sh -n "$program.new" || die "the rules are no shell; nothing was changed"
place 600 "$program"
printf '%s\n' "$text" | sed "$3q" >"$file.new"
place 644 "$file"
systemctl daemon-reload
systemctl -q enable "$unit"
# Docker's start brings it up, too, and before Docker: without Docker there is nothing to keep.
if systemctl -q is-active docker.service; then
    forgive "$unit"
    if ! systemctl restart "$unit" 9>&-; then
        journalctl -u "$unit" -n 15 --no-pager -o cat >&2 2>/dev/null || true
        die "$unit does not start"
    fi
fi
