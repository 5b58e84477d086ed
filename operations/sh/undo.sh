# undo NAME: take a change back that an earlier run has left waiting for its confirmation, and what a killed run or a
# power cut has left of one.
# uses: guard
! waits "$1" || undo "$1"
rm -rf "${GUARD:?}/$1"
