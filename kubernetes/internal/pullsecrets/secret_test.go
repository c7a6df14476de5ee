package pullsecrets

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	ktesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
)

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// filled is a controller whose caches are filled, and that does nothing by itself.
func (f *fixture) filled(o Options) *Controller {
	f.t.Helper()
	c, err := New(o)
	require.NoError(f.t, err)
	for _, factory := range c.factories {
		factory.Start(f.t.Context().Done())
	}
	require.True(f.t, cache.WaitForCacheSync(f.t.Context().Done(), c.synced...))
	f.t.Cleanup(c.queue.ShutDown)
	return c
}

// made is a secret as the controller makes it for the service account default of team-a.
func made(change func(*v1.Secret)) *v1.Secret {
	s := &v1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team-a", Name: "dockit-pull-default", UID: "uid-of-secret", ResourceVersion: "7", Labels: map[string]string{managedLabel: manager},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ServiceAccount", Name: "default", UID: "uid-of-it"}},
		},
		Type: v1.SecretTypeDockerConfigJson, Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(`{"auths":{}}`)},
	}
	if change != nil {
		change(s)
	}
	return s
}

// TestReplacedLoginsEndThoughTheAccountCannotBeMarked guards that what was in the secret before is ended by whoever writes over it: nobody
// finds it afterwards.
func TestReplacedLoginsEndThoughTheAccountCannotBeMarked(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	key := cache.NewObjectName("team-a", "default")
	_, err := f.filled(f.options()).reconcile(t.Context(), key)
	require.NoError(t, err)
	a := f.account("team-a", "default")
	a.Annotations[RenewAnnotation] = RenewNow
	_, err = f.CoreV1().ServiceAccounts("team-a").Update(t.Context(), a, metav1.UpdateOptions{})
	require.NoError(t, err)
	refused := true
	f.PrependReactor("patch", "serviceaccounts", func(ktesting.Action) (bool, runtime.Object, error) {
		if !refused {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts"}, "default", errors.New("a webhook"))
	})
	_, err = f.filled(f.options()).reconcile(t.Context(), key)
	require.ErrorContains(t, err, "change the service account")
	first := []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}
	assert.ElementsMatch(t, first, f.ended())
	refused = false
	_, err = f.filled(f.options()).reconcile(t.Context(), key)
	require.NoError(t, err)
	assert.Contains(t, string(f.secret("team-a", "dockit-pull-default").Data[v1.DockerConfigJsonKey]), "team-a/default registry.test 5")
	assert.ElementsMatch(t, append(first, "team-a/default registry.test 3", "team-a/default mirror.test:5000 4"), f.ended(), "all but those in the secret")
}

// TestSecretsOfOthersStay guards that who may change a service account, and no secret, can have none written or removed that was not made here.
func TestSecretsOfOthersStay(t *testing.T) {
	for name, change := range map[string]func(*v1.Secret){
		"another type":                func(s *v1.Secret) { s.Type = v1.SecretTypeOpaque },
		"no label":                    func(s *v1.Secret) { s.Labels = nil },
		"the label of another":        func(s *v1.Secret) { s.Labels[managedLabel] = "helm" },
		"no owner":                    func(s *v1.Secret) { s.OwnerReferences = nil },
		"of another service account":  func(s *v1.Secret) { s.OwnerReferences[0].Name = "other" },
		"of a pod of that name":       func(s *v1.Secret) { s.OwnerReferences[0].Kind = "Pod" },
		"of another kind, of a group": func(s *v1.Secret) { s.OwnerReferences[0].APIVersion = "example.com/v1" },
	} {
		t.Run(name, func(t *testing.T) {
			foreign := made(change)
			a := account("team-a", "default", nil)
			a.Annotations[madeAnnotation] = foreign.Name
			f := newFixture(t, namespace("team-a", on), foreign, a)
			key := cache.NewObjectName("team-a", "default")
			_, err := f.filled(f.options()).reconcile(t.Context(), key)
			require.ErrorIs(t, err, errForeign)
			assert.Zero(t, f.exchanged(), "no login is wasted")
			assert.Equal(t, foreign, f.secret("team-a", foreign.Name))

			_, err = f.CoreV1().Namespaces().Update(t.Context(), namespace("team-a", nil), metav1.UpdateOptions{})
			require.NoError(t, err)
			_, err = f.filled(f.options()).reconcile(t.Context(), key)
			require.NoError(t, err)
			assert.Equal(t, foreign, f.secret("team-a", foreign.Name))
			assert.NotContains(t, f.account("team-a", "default").Annotations, madeAnnotation)
		})
	}
}

// TestSecretsAreChangedAsTheyWereSeen guards that what becomes of a secret after it was looked at is neither written over nor removed.
func TestSecretsAreChangedAsTheyWereSeen(t *testing.T) {
	a := account("team-a", "default", nil)
	a.Annotations[madeAnnotation] = "dockit-pull-default"
	f := newFixture(t, namespace("team-a", on), made(nil), a)
	var sent ktesting.PatchActionImpl
	f.PrependReactor("patch", "secrets", func(action ktesting.Action) (bool, runtime.Object, error) {
		sent = action.(ktesting.PatchActionImpl)
		return true, nil, apierrors.NewConflict(secretsResource.GroupResource(), sent.Name, errors.New("the object has been modified"))
	})
	key := cache.NewObjectName("team-a", "default")
	_, err := f.filled(f.options()).reconcile(t.Context(), key)
	require.True(t, apierrors.IsConflict(err), "%v", err)
	var patch v1.Secret
	require.NoError(t, json.Unmarshal(sent.Patch, &patch))
	assert.Equal(t, "7", patch.ResourceVersion)
	assert.True(t, *sent.PatchOptions.Force, "it is what was made here, whoever wrote to it since")
	assert.ElementsMatch(t, []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}, f.revoked, "what was not written ends")

	_, err = f.CoreV1().Namespaces().Update(t.Context(), namespace("team-a", nil), metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = f.filled(f.options()).reconcile(t.Context(), key)
	require.NoError(t, err)
	for _, action := range f.Actions() {
		if deletion, ok := action.(ktesting.DeleteActionImpl); ok {
			assert.Equal(t, "uid-of-secret", string(*deletion.DeleteOptions.Preconditions.UID))
			assert.Equal(t, "7", *deletion.DeleteOptions.Preconditions.ResourceVersion)
			return
		}
	}
	t.Fatal("nothing was removed")
}

// TestASecretThatComesMeanwhileStays guards that a secret which was not there is not written by force.
func TestASecretThatComesMeanwhileStays(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	var sent ktesting.PatchActionImpl
	f.PrependReactor("patch", "secrets", func(action ktesting.Action) (bool, runtime.Object, error) {
		sent = action.(ktesting.PatchActionImpl)
		return true, nil, apierrors.NewTimeoutError("the request did not end in time", 1)
	})
	_, err := f.filled(f.options()).reconcile(t.Context(), cache.NewObjectName("team-a", "default"))
	require.True(t, apierrors.IsTimeout(err), "%v", err)
	assert.False(t, *sent.PatchOptions.Force)
	assert.Empty(t, f.revoked, "it may have been written")
}

// TestSecretNames guards that names are those of secrets, and that long ones differ as those of their service accounts do.
func TestSecretNames(t *testing.T) {
	assert.Equal(t, "dockit-pull-default", secretName("default"))
	seen := map[string]string{}
	long := strings.Repeat("a", 230)
	for _, account := range []string{
		"default", strings.Repeat("a", 241), strings.Repeat("a", 242), strings.Repeat("a", 253), long + strings.Repeat("b", 23), long + strings.Repeat("b", 22) + "c",
		strings.Repeat("a", 223) + "." + strings.Repeat("b", 29), strings.Repeat("a", 222) + "-." + strings.Repeat("b", 29),
	} {
		name := secretName(account)
		assert.Empty(t, validation.IsDNS1123Subdomain(name), name)
		assert.NotContains(t, seen, name, account)
		seen[name] = account
		assert.Equal(t, name, secretName(account))
	}
}

// TestAnotherRobotIsAnotherLogin guards that a login is replaced before its time when the service account chooses another robot, when a
// registry is added, when another Dockit gives the logins, and when somebody asks for it.
func TestAnotherRobotIsAnotherLogin(t *testing.T) {
	f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
	key := cache.NewObjectName("team-a", "default")
	reconcile := func(o Options) {
		t.Helper()
		_, err := f.filled(o).reconcile(t.Context(), key)
		require.NoError(t, err)
	}
	reconcile(f.options())
	reconcile(f.options())
	require.Equal(t, 2, f.exchanged(), "it is fresh")
	annotate := func(name, value string) {
		a := f.account("team-a", "default")
		a.Annotations[name] = value
		_, err := f.CoreV1().ServiceAccounts("team-a").Update(t.Context(), a, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	annotate(RobotAnnotation, "builder")
	reconcile(f.options())
	assert.Equal(t, 4, f.exchanged())
	assert.Equal(t, "builder", f.robot)
	assert.Equal(t, []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}, sorted(f.ended()), "those of the robot before")
	annotate(RenewAnnotation, RenewNow)
	reconcile(f.options())
	assert.Equal(t, 6, f.exchanged())
	assert.Contains(t, f.ended(), "team-a/default registry.test 3")
	ended := f.ended()
	more := f.options()
	more.Registries = append(more.Registries, "third.test")
	reconcile(more)
	assert.Equal(t, 9, f.exchanged())
	more.Server = "https://dockit.test"
	reconcile(more)
	assert.Equal(t, 12, f.exchanged(), "the logins of the Dockit before are worth nothing there")
	more.Service = "registry"
	reconcile(more)
	assert.Equal(t, 15, f.exchanged())
	reconcile(more)
	assert.Equal(t, 15, f.exchanged())

	// Whoever may write the annotation cannot have it never be replaced, and a time that has come by what the service account says
	// alone is no reason for another one.
	annotate(RenewAnnotation, time.Now().AddDate(9, 0, 0).UTC().Format(time.RFC3339))
	reconcile(more)
	at, err := time.Parse(time.RFC3339, f.account("team-a", "default").Annotations[RenewAnnotation])
	require.NoError(t, err)
	assert.Less(t, time.Until(at), time.Hour)
	assert.Equal(t, 15, f.exchanged())
	annotate(RenewAnnotation, time.Now().Add(-time.Minute).UTC().Format(time.RFC3339))
	reconcile(more)
	assert.Equal(t, 15, f.exchanged())
	o := more
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	reconcile(o)
	assert.Equal(t, 18, f.exchanged(), "it is due")
	assert.Equal(t, ended, f.ended(), "neither does a Dockit hear passwords of another one, nor does a pull end that goes on while a login is replaced in time")
}

// sorted is a list with the longest texts last, and else in their order.
func sorted(texts []string) []string {
	slices.SortFunc(texts, func(a, b string) int { return cmp.Or(cmp.Compare(a[len(a)-1:], b[len(b)-1:]), cmp.Compare(a, b)) })
	return texts
}

// TestLoginsThatAreRemovedEnd guards which passwords are sent to a Dockit when a secret is removed: those that it gave, for registries of now.
func TestLoginsThatAreRemovedEnd(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Options)
		robot  string
		ended  []string
	}{
		"as they were made":           {func(*Options) {}, "ci", []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}},
		"by the robot's whole name":   {func(*Options) {}, "robot:ci", []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}},
		"of whichever robot it is":    {func(*Options) {}, "", []string{"team-a/default registry.test 1", "team-a/default mirror.test:5000 2"}},
		"by another Dockit":           {func(o *Options) { o.Server = "https://other.test" }, "ci", nil},
		"for a registry that is gone": {func(o *Options) { o.Registries = o.Registries[1:] }, "ci", nil},
		"while Dockit is away": {func(o *Options) {
			o.Revoke = func(context.Context, string, string) error { return errors.New("status 503") }
		}, "ci", nil},
	} {
		t.Run(name, func(t *testing.T) {
			a := account("team-a", "default", on)
			a.Annotations[RobotAnnotation] = test.robot
			f := newFixture(t, namespace("team-a", nil), a)
			key := cache.NewObjectName("team-a", "default")
			_, err := f.filled(f.options()).reconcile(t.Context(), key)
			require.NoError(t, err)
			a = f.account("team-a", "default")
			a.Labels = nil
			_, err = f.CoreV1().ServiceAccounts("team-a").Update(t.Context(), a, metav1.UpdateOptions{})
			require.NoError(t, err)
			o := f.options()
			test.change(&o)
			_, err = f.filled(o).reconcile(t.Context(), key)
			require.NoError(t, err)
			assert.Nil(t, f.secret("team-a", "dockit-pull-default"), "it is removed in any case")
			assert.ElementsMatch(t, test.ended, f.ended())
		})
	}
}

// TestShortLoginsAreRefused guards that a login which would have to be replaced at once is an error, and ends.
func TestShortLoginsAreRefused(t *testing.T) {
	for _, life := range []time.Duration{0, time.Second, soonest - 1} {
		f := newFixture(t, namespace("team-a", on), account("team-a", "default", nil))
		f.life = life
		_, err := f.filled(f.options()).reconcile(t.Context(), cache.NewObjectName("team-a", "default"))
		require.ErrorIs(t, err, errShort)
		assert.Len(t, f.revoked, 1, "%s", life)
		assert.Nil(t, f.secret("team-a", "dockit-pull-default"))
	}
}
