# probe TARGET TIMEOUT [UNIT FAILURES SECONDS GRACE SELF]: whether a service answers. With a UNIT, restart it after so many
# FAILURES in a row, looked for every so many SECONDS by the unit SELF; a start has GRACE seconds. Each restart doubles the
# wait for the next one, until there are as many answers in a row.
target=$1 timeout=$2
answers() {
    case $target in
    tcp://*)
        place=${target#tcp://}
        timeout "$timeout" bash -c 'exec 3<>"/dev/tcp/$1/$2"' probe "${place%:*}" "${place##*:}" 2>/dev/null
        ;;
    *) curl -q -fsS -o /dev/null --noproxy '*' -m "$timeout" "$target" ;;
    esac
}
if [ $# -eq 2 ]; then
    answers
    exit
fi
unit=$3 limit=$4 every=$5 grace=$6 self=$7
record=/run/elforge/probe/$unit
# Both times by systemd's clock: /proc/uptime counts a container's own time, and sleep.
stamp() { echo $(($(systemctl show -p "$1" "$2" | cut -d = -f 2) / 1000000)); }
now=$(stamp InactiveExitTimestampMonotonic "$self")
mkdir -p "${record%/*}"
note() {
    echo "$*" >"$record.new"
    mv -f "$record.new" "$record"
}
# What does not run is for systemd, or for whoever has stopped it. What is slow to stop or to start, be it by our restart,
# is still the same service.
case $(systemctl show -p ActiveState "$unit" | cut -d = -f 2) in
active | reloading) ;;
inactive | failed) rm -f "$record"; exit 0 ;;
*) exit 0 ;;
esac
failures=0 restarts=0 until=0 answered=0
if [ -s "$record" ]; then read -r failures restarts until answered <"$record"; fi
if answers; then
    answered=$((answered + 1))
    if [ $((failures + restarts)) -eq 0 ] || [ "$answered" -ge "$limit" ]; then
        rm -f "$record"
    else
        note 0 "$restarts" "$until" "$answered"
    fi
    exit 0
fi
[ $((now - $(stamp ActiveEnterTimestampMonotonic "$unit"))) -ge "$grace" ] || exit 0
failures=$((failures + 1))
if [ "$failures" -lt "$limit" ] || [ "$now" -lt "$until" ]; then
    echo "<4>$unit does not answer at $target ($failures of $limit)"
    note "$failures" "$restarts" "$until" 0
    exit 0
fi
restarts=$((restarts + 1))
wait=$((limit * every))
for _ in $(seq "$restarts"); do
    wait=$((wait * 2))
    [ $wait -lt 3600 ] || { wait=3600; break; }
done
note 0 "$restarts" $((now + wait)) 0
echo "<3>$unit did not answer at $target $failures times in a row: restarting it, restart $restarts"
systemctl restart --no-block "$unit"
