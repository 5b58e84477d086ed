# modprobe NAME...: load modules; fails with modprobe's own words.
for name in "$@"; do modprobe "$name" || exit 1; done
