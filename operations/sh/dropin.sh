# dropin NEW: fails when systemd does not take the drop-in NEW, <unit>.d/<temporary>/<name>, for its unit.
# systemd reads the unit together with it before it is in place. What else it has to say, of the unit or of
# others, is not the drop-in's fault; a unit that is not there yet cannot be judged.
temp=${1%/*}
unit=${temp%/*}
unit=${unit##*/}
unit=${unit%.d}
systemctl cat "$unit" >/dev/null 2>&1 || exit 0
mkdir -p "$temp/units/$unit.d"
cp "$1" "$temp/units/$unit.d/"
said=$(SYSTEMD_UNIT_PATH="$temp/units:" systemd-analyze verify "$unit" 2>&1 |
    grep -e "/units/$unit.d/" -e "$unit.*Refusing" -e "$unit has a bad unit" || true)
[ -z "$said" ] || { echo "$said"; exit 1; }
