package doctor

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"
)

// TestAccount guards what is said of the robot and the pull secret of a service account, and when the kubelet does not matter.
func TestAccount(t *testing.T) {
	kept := func(renew time.Time) map[string]string {
		return map[string]string{"dockit.dev/pull-secret-name": "dockit-pull-app", "dockit.dev/pull-secret-renew-at": renew.UTC().Format(time.RFC3339)}
	}
	for name, test := range map[string]struct {
		labels, annotations map[string]string
		account             string
		says                string
		robot               string
		kept                bool
		broken              int
		removed, forbidden  bool
	}{
		"nothing":  {account: "app"},
		"a robot":  {account: "app", annotations: map[string]string{"dockit.dev/robot": "robot:ci"}, says: "ok       the service account chooses robot:ci", robot: "ci"},
		"a secret": {account: "app", annotations: kept(time.Now().Add(time.Hour)), says: "ok       the secret dockit-pull-app is kept", kept: true},
		"a secret that was removed": {
			account: "app", annotations: kept(time.Now().Add(time.Hour)), removed: true, kept: true, broken: 1,
			says: "missing  the secret dockit-pull-app of the service account: somebody removed it\n" +
				"kubectl -n team-a annotate serviceaccount app dockit.dev/pull-secret-renew-at=now --overwrite",
		},
		"a secret that may not be read": {
			account: "app", annotations: kept(time.Now().Add(time.Hour)), forbidden: true, kept: true, says: "unknown  whether the secret dockit-pull-app is there",
		},
		"an old secret": {account: "app", annotations: kept(time.Now().Add(-time.Hour)), says: "missing  a new login in the secret dockit-pull-app", kept: true, broken: 1},
		"a label alone": {account: "app", labels: map[string]string{"dockit.dev/pull-secret": "true"}, says: "missing  the pull secret that the label", kept: true, broken: 1},
		"another's secret": {
			account: "app", annotations: map[string]string{"dockit.dev/pull-secret-name": "mine"},
		},
		"the label of the namespace": {account: "default", says: "missing  the pull secret that the label", kept: true, broken: 1},
		"none":                       {account: "other", says: "unknown  the robot and the pull secret of the service account team-a/other"},
	} {
		t.Run(name, func(t *testing.T) {
			kube := fake.NewClientset(
				&v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team-a", Labels: map[string]string{"dockit.dev/pull-secret": "true"}}},
				&v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "default"}},
				&v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "app", Labels: test.labels, Annotations: test.annotations}},
				&v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "dockit-pull-app"}},
			)
			if test.removed {
				require.NoError(t, kube.CoreV1().Secrets("team-a").Delete(t.Context(), "dockit-pull-app", metav1.DeleteOptions{}))
			}
			if test.forbidden {
				kube.PrependReactor("get", "secrets", func(ktesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "dockit-pull-app", errors.New("no RBAC policy matched"))
				})
			}
			c, said := command{namespace: "team-a", account: test.account}, bytes.Buffer{}
			r := &report{w: &said}
			robot, kept := c.checkAccount(t.Context(), r, kube)
			assert.Equal(t, test.robot, robot)
			assert.Equal(t, test.kept, kept)
			assert.Equal(t, test.broken, r.broken)
			if test.says == "" {
				assert.Empty(t, said.String())
			}
			assert.Contains(t, said.String(), test.says)
		})
	}
}

// TestReportsAreLines guards that what somebody else says cannot reach the terminal as it is, nor look like a line of the doctor's.
func TestReportsAreLines(t *testing.T) {
	var said bytes.Buffer
	r := &report{w: &said}
	r.good("the registry is %s", "a\x1b]0;b\nok       everything")
	r.unknown("%s", "\r")
	r.missing("cure\x1b\nsecond", "%s", "c\td")
	assert.Equal(t, "ok       the registry is a?]0;b?ok       everything\nunknown  ?\nmissing  c?d\ncure?\nsecond\n", said.String())
}
