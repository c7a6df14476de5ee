package issuerkeys

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dockit-registry/dockit/internal/federation"
	"github.com/dockit-registry/dockit/internal/idtoken"
)

// readBearer reads the token that is shown to an issuer. An administrator who may name the file
// is told nothing of what else stands in files of the server: it must be a token,
// and this very issuer's, which knows it.
func readBearer(issuer federation.Issuer) (string, error) {
	info, err := os.Stat(issuer.BearerFile)
	if err != nil {
		return "", fmt.Errorf("read the bearer file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("the bearer file %s is no regular file", issuer.BearerFile)
	}
	file, err := os.Open(issuer.BearerFile)
	if err != nil {
		return "", fmt.Errorf("read the bearer file: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, idtoken.MaxSize+2))
	if err != nil {
		return "", fmt.Errorf("read the bearer file: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if _, err := idtoken.Parse(token); err != nil || idtoken.Issuer(token) != issuer.URL {
		return "", fmt.Errorf("the bearer file %s holds no token whose iss is %s: it is for the token that a pod got from this very cluster", issuer.BearerFile, issuer.URL)
	}
	return token, nil
}
