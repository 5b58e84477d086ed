# enforce VALUE: 1 or 0 for the running kernel, or relabel for a full relabel at the next boot.
case $1 in
relabel)
    touch /.autorelabel
    settle /
    ;;
*) setenforce "$1" 9>&- ;;
esac
