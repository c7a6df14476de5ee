printf '%s' "$DOCKIT_ID_TOKEN" | docker login {{.Host}} --username {{.Robot}} --password-stdin
