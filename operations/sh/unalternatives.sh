# unalternatives NAME PATH: no longer offer PATH; what else there is, such as a distribution's own, takes over.
update-alternatives --remove "$1" "$2" >&2 9>&-
update-alternatives --auto "$1" >&2 2>/dev/null 9>&- || true
