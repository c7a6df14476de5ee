package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dockit-credential-provider": main})
}

// TestScripts runs testdata/script/*.txtar as the kubelet would. $REGISTRY is a registry
// whose Dockit gives a login for every token but one of the namespace stranger.
func TestScripts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(play))
	t.Cleanup(server.Close)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("REGISTRY", strings.TrimPrefix(server.URL, "http://"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"request": requestCommand},
	})
}

// requestCommand writes what a kubelet asks for a pod of the service account app:
//
//	request FILE NAMESPACE HOST
func requestCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: request FILE NAMESPACE HOST")
	}
	claims := fmt.Sprintf(`{"sub":"system:serviceaccount:%s:app","iss":"https://kubernetes.default.svc","aud":["registry"],"exp":4102444800,"kubernetes.io":{"serviceaccount":{"uid":"u1"}}}`, args[1])
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	body, err := json.Marshal(map[string]string{
		"kind": "CredentialProviderRequest", "apiVersion": "credentialprovider.kubelet.k8s.io/v1", "image": args[2] + "/team/app", "serviceAccountToken": token,
	})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), body, 0o600))
}

// play plays the registry, and Dockit at the same address.
func play(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/v2/":
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://localhost/v2/token",service="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	case isStranger(r.PostFormValue("subject_token")):
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_request","error_description":"the token is right, but does not\nstand for any robot here"}`)
	default:
		fmt.Fprint(w, `{"access_token":"dockit_secret","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A","expires_in":600,"username":"k8s"}`)
	}
}

func isStranger(token string) bool {
	parts := strings.Split(token, ".")
	claims, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	return err != nil || strings.Contains(string(claims), "stranger")
}

// TestSize guards that the plugin stays one that every node can have: as it is
// released, it has 6 MB at most.
func TestSize(t *testing.T) {
	const most = 6_000_000
	path := filepath.Join(t.TempDir(), "dockit-credential-provider")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-tags", "nethttpomithttp2", "-ldflags", "-s -w", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", output)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(most))
	t.Log(info.Size())
}
