# members GROUP -a|-d USER...
group=$1 flag=$2
shift 2
for name in "$@"; do
    gpasswd "$flag" "$name" "$group" >/dev/null
done
