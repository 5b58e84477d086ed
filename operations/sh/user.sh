# user NAME HOME SHELL
useradd --system --user-group --no-create-home --home-dir "$2" --shell "$3" "$1"
