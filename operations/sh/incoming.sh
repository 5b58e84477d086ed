# incoming DIR USER: an empty directory that the user whom the control side logs in as may put a file into.
parents "${1%/*}"
rm -rf "$1"
mkdir -m 700 "$1"
chown "$2" "$1"
