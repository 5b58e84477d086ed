# seed UNIT RECORD FILE...: for a unit that started before it kept a record, what it must have loaded: the FILEs
# that are older than its start.
unit=$1 record=$2
shift 2
[ ! -d "$record" ] && systemctl is-active --quiet "$unit" || exit 0
since=$(date +%s -d "$(systemctl show -p ActiveEnterTimestamp "$unit" | cut -d = -f 2-)")
umask 077
rm -rf "$record.new"
mkdir -p "$record.new"
for file in "$@"; do
    if [ -f "$file" ] && [ "$(stat -c %Z "$file")" -lt "$since" ]; then cp "$file" "$record.new/"; fi
done
mv -T "$record.new" "$record"
