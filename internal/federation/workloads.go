package federation

import "strings"

// Claims of a service account's token.
const (
	kubernetesNamespace = "kubernetes.io/namespace"
	kubernetesName      = "kubernetes.io/serviceaccount/name"
	kubernetesUID       = "kubernetes.io/serviceaccount/uid"
	// serviceAccount is how the sub begins.
	serviceAccount = "system:serviceaccount:"
)

var kubernetes = profile{
	title: "a Kubernetes cluster",
	claims: []Claim{
		{kubernetesNamespace, "the namespace", nil},
		{kubernetesName, "the service account, of whichever namespace", nil},
		{"sub", "system:serviceaccount:NAMESPACE:NAME", nil},
		{kubernetesUID, "the service account, by the id that no other gets", nil},
		{"kubernetes.io/pod/name", "the pod", nil},
		{"kubernetes.io/pod/uid", "the pod, by the id that no other gets", nil},
		{"kubernetes.io/node/name", "the node", nil},
		{"kubernetes.io/node/uid", "the node, by the id that no other gets", nil},
	},
	protects: func(c *check) bool {
		return c.every(kubernetesUID, literal) || c.namespaced() && c.every(kubernetesName, fixed) || c.every("sub", func(value string) bool {
			namespace, name, ok := account(value)
			return ok && fixed(namespace) && fixed(name)
		})
	},
	protectHint: "--claim sub=system:serviceaccount:NAMESPACE:NAME",
	separates:   kubernetesNamespace,
	job:         []string{kubernetesNamespace, kubernetesName, "kubernetes.io/pod/name", "kubernetes.io/node/name"},
	check: func(claims Claims) string {
		if sub, _ := claims["sub"].(string); !strings.HasPrefix(sub, serviceAccount) {
			return "its sub names no service account"
		}
		if _, bound := claims["kubernetes.io"].(map[string]any); !bound {
			return "it is the token of a secret, which never ends: take one that a pod got for itself, or of kubectl create token"
		}
		return ""
	},
	fault: func(c *check) string {
		if c.namespaced() || c.every(kubernetesUID, literal) || c.every("kubernetes.io/pod/uid", literal) {
			return ""
		}
		return "whoever may make a namespace has service accounts of any name there: add --claim " + kubernetesNamespace + "=NAMESPACE, or expose it (--expose k8s.namespace=" + kubernetesNamespace + ") and have permissions name it"
	},
}

// namespaced reports whether a condition says which namespaces.
func (c *check) namespaced() bool {
	return c.every(kubernetesNamespace, fixed) || c.every("sub", func(value string) bool {
		namespace, _, ok := account(value)
		return ok && fixed(namespace)
	})
}

// account are the namespace and the name in a sub.
func account(sub string) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(sub, serviceAccount)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}

var google = profile{
	title: "Google",
	claims: []Claim{
		{"sub", "the account, by the number that it keeps", []string{"email"}},
		{"email", "the account, by its mail address, which counts with email_verified only", nil},
		{"email_verified", "true when the address is the account's own", nil},
		{"hd", "the domain of the organization", nil},
		{"google/compute_engine/project_id", "the project of the machine (token with format=full)", nil},
		{"google/compute_engine/project_number", "the project of the machine, by its number", []string{"google/compute_engine/project_id"}},
		{"google/compute_engine/instance_id", "the machine, by its number", nil},
		{"google/compute_engine/instance_name", "the machine", nil},
		{"google/compute_engine/zone", "the zone of the machine", nil},
		{"google/compute_engine/instance_creation_timestamp", "when the machine was made", nil},
	},
	families: []string{"google/"},
	shared:   func(string) bool { return true },
	owners: []owner{
		{claim: "sub", fixed: literal},
		{claim: "email", fixed: literal, with: "email_verified"},
		{claim: "hd", fixed: literal},
		{claim: "google/compute_engine/project_number", fixed: literal},
		{claim: "google/compute_engine/project_id", fixed: literal},
	},
	ownerHint: "--claim sub=NUMBER, the account's unique id, or --claim email=ADDRESS with --claim email_verified=true",
	protects: func(c *check) bool {
		return c.every("sub", literal) || c.every("email", literal)
	},
	protectHint: "--claim sub=NUMBER, the account's unique id",
	job:         []string{"email", "google/compute_engine/instance_name"},
	idHints:     map[string]string{"email": "gcloud iam service-accounts describe NAME --format='value(uniqueId)'"},
}
