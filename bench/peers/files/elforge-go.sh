# Every other PATH finds Go by /usr/bin/go.
case ":$PATH:" in
*":/usr/local/go/bin:"*) ;;
*) PATH="/usr/local/go/bin:$PATH:$HOME/go/bin" ;;
esac
