package doctor

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
)

// TestTheTokenOfAnotherServiceAccountSaysNothing guards that where no token may be made, the one of this pod is not taken for that of another
// service account: what it may pull is no answer to what was asked.
func TestTheTokenOfAnotherServiceAccountSaysNothing(t *testing.T) {
	of := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmVk"
	}
	for name, test := range map[string]struct {
		mounted, says string
		taken         bool
	}{
		"its own":                    {mounted: of(`{"sub":"system:serviceaccount:team-a:app"}`), taken: true, says: "ok       the token of this pod"},
		"of another namespace":       {mounted: of(`{"sub":"system:serviceaccount:team-b:app"}`), says: "unknown  what the token of this pod is good for: it is of system:serviceaccount:team-b:app"},
		"of another service account": {mounted: of(`{"sub":"system:serviceaccount:team-a:default"}`), says: "unknown  what the token of this pod is good for"},
		"of somebody else":           {mounted: of(`{"sub":"alice"}`), says: "it is of alice"},
		"of nobody":                  {mounted: of(`{}`), says: "unknown  whose token this pod has"},
		"no token":                   {mounted: "secret", says: "unknown  whose token this pod has"},
		"none":                       {says: "missing  a token of the service account team-a/app: "},
	} {
		t.Run(name, func(t *testing.T) {
			kube := fake.NewClientset()
			kube.PrependReactor("create", "serviceaccounts", func(ktesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts/token"}, "app", errors.New("no RBAC policy matched"))
			})
			file := filepath.Join(t.TempDir(), "token")
			if test.mounted != "" {
				require.NoError(t, os.WriteFile(file, []byte(test.mounted+"\n"), 0o600))
			}
			c, said := command{namespace: "team-a", account: "app", audience: "prod"}, bytes.Buffer{}
			r := &report{w: &said}
			got := c.token(t.Context(), r, kube, file)
			assert.Contains(t, said.String(), test.says)
			if test.taken {
				assert.Equal(t, test.mounted, got)
				assert.Zero(t, r.broken)
				return
			}
			assert.Empty(t, got)
			assert.Equal(t, 1, r.broken)
			assert.Contains(t, said.String(), "kubectl create serviceaccount -n team-a app")
			assert.NotContains(t, said.String(), "secret\n")
		})
	}
}
