# undo NAME: take a change back that an earlier run has left waiting for its confirmation.
# uses: guard
! waits "$1" || undo "$1"
