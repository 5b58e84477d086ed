# modprobe FILE NAME...: load modules, and let the kernel take what FILE, lines of "KEY = VALUE", says of settings that come with
# them; fails with modprobe's own words.
file=$1 proc=/proc/sys modules=/sys/module
shift
place() { echo "$proc/$(echo "$1" | tr . /)"; }
new=$(sed -n 's/^\([a-z][^ ]*\) = .*/\1/p' "$file" 2>/dev/null | while read -r key; do [ -e "$(place "$key")" ] || echo "$key"; done)
for name in "$@"; do
    modprobe "$name" || exit 1
    [ -d "$modules/$name" ] || {
        echo "modprobe $name has loaded no module of that name: is it an alias, or does an install line keep it out (modprobe --showconfig)?" >&2
        exit 1
    }
done
for key in $new; do
    [ ! -e "$(place "$key")" ] || sed -n "s|^$key = ||p" "$file" >"$(place "$key")" || exit 1
done
