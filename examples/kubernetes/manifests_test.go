// Package kubernetes holds manifests for Dockit and a registry, and tests them against the schemas that Kubernetes
// and cert-manager publish.
package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cert-manager/cert-manager/pkg/apis/certmanager"
	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kinds are the published types of what the manifests may hold.
var kinds = map[metav1.TypeMeta]func() metav1.Object{
	{APIVersion: "v1", Kind: "Namespace"}:                            func() metav1.Object { return new(corev1.Namespace) },
	{APIVersion: "v1", Kind: "PersistentVolumeClaim"}:                func() metav1.Object { return new(corev1.PersistentVolumeClaim) },
	{APIVersion: "v1", Kind: "Service"}:                              func() metav1.Object { return new(corev1.Service) },
	{APIVersion: "v1", Kind: "ServiceAccount"}:                       func() metav1.Object { return new(corev1.ServiceAccount) },
	{APIVersion: "batch/v1", Kind: "Job"}:                            func() metav1.Object { return new(batchv1.Job) },
	{APIVersion: "apps/v1", Kind: "Deployment"}:                      func() metav1.Object { return new(appsv1.Deployment) },
	{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"}:            func() metav1.Object { return new(networkingv1.Ingress) },
	{APIVersion: certmanager.GroupName + "/v1", Kind: "Issuer"}:      func() metav1.Object { return new(certmanagerv1.Issuer) },
	{APIVersion: certmanager.GroupName + "/v1", Kind: "Certificate"}: func() metav1.Object { return new(certmanagerv1.Certificate) },
}

// document is one object of a manifest.
type document struct {
	metav1.TypeMeta
	object metav1.Object
	raw    []byte
}

// readManifests decodes every object by its published type. Fields that the type does not have are errors.
func readManifests(t *testing.T) []document {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []document
	for _, file := range files {
		all = append(all, readManifest(t, file)...)
	}
	return all
}

func readManifest(t *testing.T, file string) []document {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	var all []document
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content))); ; {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		d := document{raw: raw}
		require.NoError(t, yaml.Unmarshal(raw, &d.TypeMeta), file)
		newObject, ok := kinds[d.TypeMeta]
		require.True(t, ok, "%s: %v", file, d.TypeMeta)
		d.object = newObject()
		require.NoError(t, yaml.UnmarshalStrict(raw, d.object), "%s: %s", file, d.Kind)
		all = append(all, d)
	}
}

// objects are those of one type.
func objects[T metav1.Object](all []document) map[string]T {
	found := make(map[string]T)
	for _, d := range all {
		if object, ok := d.object.(T); ok {
			found[object.GetName()] = object
		}
	}
	return found
}

func TestManifestsAreOfOneNamespace(t *testing.T) {
	all := readManifests(t)
	namespaces := objects[*corev1.Namespace](all)
	for _, d := range all {
		if d.Kind != "Namespace" {
			assert.Contains(t, namespaces, d.object.GetNamespace(), "%s %s", d.Kind, d.object.GetName())
		}
	}
}

// Whatever one object says of another one by name is there.
func TestReferences(t *testing.T) {
	all := readManifests(t)
	claims, deployments := objects[*corev1.PersistentVolumeClaim](all), objects[*appsv1.Deployment](all)
	certificates, issuers := objects[*certmanagerv1.Certificate](all), objects[*certmanagerv1.Issuer](all)
	services := objects[*corev1.Service](all)
	secrets := map[string]bool{"dockit": true, "registry-tls": true} // the guide makes them
	for _, c := range certificates {
		secrets[c.Spec.SecretName] = true
		assert.Contains(t, issuers, c.Spec.IssuerRef.Name)
	}
	for name, d := range deployments {
		pod := d.Spec.Template.Spec
		selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
		require.NoError(t, err)
		assert.True(t, selector.Matches(labels.Set(d.Spec.Template.Labels)), name)
		volumes := map[string]bool{}
		for _, v := range pod.Volumes {
			volumes[v.Name] = true
			if v.Secret != nil {
				assert.Contains(t, secrets, v.Secret.SecretName, name)
			}
			if v.PersistentVolumeClaim != nil {
				assert.Contains(t, claims, v.PersistentVolumeClaim.ClaimName, name)
			}
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			ports := map[string]bool{}
			for _, p := range c.Ports {
				ports[p.Name] = true
			}
			for _, m := range c.VolumeMounts {
				assert.Contains(t, volumes, m.Name, "%s %s", name, c.Name)
			}
			for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
				if probe != nil && probe.HTTPGet != nil {
					assert.Contains(t, ports, probe.HTTPGet.Port.StrVal, "%s %s", name, c.Name)
				}
			}
			require.NotNil(t, c.SecurityContext, "%s %s", name, c.Name)
			assert.False(t, *c.SecurityContext.AllowPrivilegeEscalation, "%s %s", name, c.Name)
			assert.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, "%s %s", name, c.Name)
		}
	}
	for name, s := range services {
		var targets []corev1.ContainerPort
		for _, d := range deployments {
			if labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels)) {
				for _, c := range d.Spec.Template.Spec.Containers {
					targets = append(targets, c.Ports...)
				}
			}
		}
		for _, p := range s.Spec.Ports {
			assert.Condition(t, func() bool {
				for _, target := range targets {
					if target.Name == p.TargetPort.StrVal && target.ContainerPort == p.Port {
						return true
					}
				}
				return false
			}, "service %s leads to no port", name)
		}
	}
	for _, i := range objects[*networkingv1.Ingress](all) {
		for _, rule := range i.Spec.Rules {
			for _, path := range rule.HTTP.Paths {
				assert.Contains(t, services, path.Backend.Service.Name)
			}
		}
	}
}

// What a registry is to trust crosses the cluster by plain HTTP: the certificate from the secret vouches for it, and the
// key stays where it is.
func TestTrustIsVouchedFor(t *testing.T) {
	pod := objects[*appsv1.Deployment](readManifests(t))["registry"].Spec.Template.Spec
	var authority *corev1.SecretVolumeSource
	for _, v := range pod.Volumes {
		if v.Name == "authority" {
			authority = v.Secret
		}
	}
	require.NotNil(t, authority)
	assert.Equal(t, "dockit-ca", authority.SecretName)
	assert.Equal(t, []corev1.KeyToPath{{Key: "tls.crt", Path: "tls.crt"}}, authority.Items)
	require.NotEmpty(t, pod.InitContainers)
	for _, c := range pod.InitContainers {
		at := slices.Index(c.Args, "--anchors")
		require.NotEqual(t, -1, at, c.Name)
		assert.Equal(t, "/authority/tls.crt", c.Args[at+1], c.Name)
		assert.NotContains(t, c.Args, "--allow-http", c.Name)
		assert.Contains(t, c.VolumeMounts, corev1.VolumeMount{Name: "authority", MountPath: "/authority", ReadOnly: true}, c.Name)
	}
	for _, c := range pod.Containers {
		for _, m := range c.VolumeMounts {
			assert.NotEqual(t, "authority", m.Name, c.Name)
		}
	}
}

// What the authority must be, so that it is none but Dockit's and registries need no restart when it is renewed.
func TestAuthority(t *testing.T) {
	all := readManifests(t)
	c := objects[*certmanagerv1.Certificate](all)["dockit-ca"]
	require.NotNil(t, c)
	assert.True(t, c.Spec.IsCA)
	assert.Equal(t, certmanagerv1.RotationPolicyNever, c.Spec.PrivateKey.RotationPolicy)
	assert.NotNil(t, objects[*certmanagerv1.Issuer](all)[c.Spec.IssuerRef.Name].Spec.SelfSigned, "it is signed by itself alone")
	assert.Less(t, c.Spec.RenewBefore.Duration, c.Spec.Duration.Duration)
	assert.Equal(t, []certmanagerv1.KeyUsage{certmanagerv1.UsageCertSign}, c.Spec.Usages)
}
