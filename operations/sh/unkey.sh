# unkey ID PATH: rpm 6 names a key by its whole fingerprint, older ones by its last 8 digits.
for package in $(rpm -q gpg-pubkey | grep -i -E "^gpg-pubkey-[0-9a-f]*$1-" || true); do
    rpm -e --allmatches "$package"
done
rm -f "$2" "$STATE/keys/${2##*/}"
settle "${2%/*}"
