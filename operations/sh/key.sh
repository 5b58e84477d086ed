# key URL FINGERPRINT PATH: nothing is imported unless the file holds exactly the key we expect. What it was then is noted, so
# that one that is put in its place is not taken for it.
url=$1 fingerprint=$2 path=$3
dir=${path%/*} name=${path##*/}
parents "$dir"
rm -rf "$dir/.elforge.$name".*
temp=$(mktemp -d "$dir/.elforge.$name.XXXXXX")
trap 'rm -rf "$temp"' EXIT
new=$temp/$name
curl -fsSL --retry 3 --connect-timeout 15 --speed-limit 100 --speed-time 30 --max-time 120 -o "$new" "$url" \
    2>"$temp/.err" 9>&- || die "$url: $(tail -n 1 "$temp/.err")"
[ "$(grep -c 'BEGIN PGP PUBLIC KEY BLOCK' "$new")" = 1 ] || die "$url: does not hold exactly one key block; not imported"
# gpg 2.0 tells the time in seconds only when asked to.
gpg --homedir "$temp" --batch --quiet --fixed-list-mode --with-colons --with-fingerprint "$new" \
    >"$temp/.key" 2>/dev/null 9>&- || true
found=$(awk -F: '$1 == "pub" { key = 1 } $1 == "fpr" && key { print $10; key = 0 }' "$temp/.key")
[ "$found" = "$fingerprint" ] ||
    die "$url: holds the key ${found:-(none)}, expected $fingerprint; not imported"
# rpm takes expired keys without a word (4.18, 4.20).
expires=$(awk -F: '$1 == "pub" { print $7 }' "$temp/.key")
[ "${expires:-0}" = 0 ] || [ "$expires" -gt "$(date +%s)" ] ||
    die "$url: the key $found expired on $(date -u -d "@$expires" +%F); not imported"
rpm --import "$new"
chmod 644 "$new"
label "$new" "$path"
parents "$STATE/keys"
echo "$found $(digest "$new")" >"$STATE/keys/$name"
mv -fT "$new" "$path"
settle "$dir"
