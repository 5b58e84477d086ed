# enforce VALUE [SECONDS ID]: 1 or 0 for the running kernel, or relabel for a full relabel at the next boot. With
# SECONDS the change ID waits so long for a new connection to confirm it.
# uses: guard
case $1-${2:-0} in
relabel-*)
    touch /.autorelabel
    settle /
    ;;
*-0) setenforce "$1" 9>&- ;;
*)
    mkdir -p "$GUARD/selinux"
    echo : >"$GUARD/selinux/commit"
    echo "/usr/sbin/setenforce 0" >"$GUARD/selinux/revert"
    arm selinux "$2" "$3"
    setenforce "$1" 9>&-
    made selinux "$2"
    ;;
esac
