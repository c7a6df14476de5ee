package doctor

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/dockit-registry/dockit/kubernetes/internal/pullsecrets"
)

// verb is what kubelets need for an audience.
const verb = "request-serviceaccounts-token-audience"

// checkVerb asks whether kubelets may ask for tokens with the audience.
func (c *command) checkVerb(ctx context.Context, r *report, kube kubernetes.Interface) {
	review, err := kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:node:any", Groups: []string{"system:nodes", "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Resource: c.audience, Name: c.account, Namespace: c.namespace},
		},
	}, metav1.CreateOptions{})
	switch {
	case err != nil:
		r.unknown("whether kubelets may ask for tokens with the audience %s: %v", c.audience, err)
	case review.Status.Allowed:
		r.good("kubelets may ask for tokens with the audience %s", c.audience)
	default:
		r.missing(verbManifest(c.audience), "kubelets may ask for tokens with the audience %s", c.audience)
	}
}

// checkKubelet looks at the kubelet of a node, and at its configuration of the plugin.
func (c *command) checkKubelet(ctx context.Context, r *report, kube kubernetes.Interface, host, robot string) {
	if c.config != "" {
		c.checkConfig(r, host, robot)
	} else {
		r.unknown("the configuration of the plugin: give its file with --provider-config, on the node")
	}
	if c.node == "" {
		r.unknown("the flags of kubelets: name a node with --node")
		return
	}
	metrics, err := kube.CoreV1().RESTClient().Get().Resource("nodes").Name(c.node).SubResource("proxy").Suffix("metrics").DoRaw(ctx)
	switch {
	case err != nil:
		r.unknown("the kubelet of %s: %v", c.node, err)
	case !strings.Contains(string(metrics), "kubelet_credential_provider_config_info"):
		r.missing("--image-credential-provider-config=FILE --image-credential-provider-bin-dir=FOLDER, and restart it (Kubernetes 1.34 or newer)", "the kubelet of %s has the flags of credential providers", c.node)
	default:
		r.good("the kubelet of %s has the flags of credential providers", c.node)
	}
}

// providerConfig is what is read of the kubelet's configuration.
type providerConfig struct {
	Kind      string
	Providers []provider
}

type provider struct {
	Name, APIVersion string
	MatchImages      []string
	Args             []string
	TokenAttributes  struct {
		ServiceAccountTokenAudience string
		CacheType                   string
		RequireServiceAccount       *bool

		RequiredServiceAccountAnnotationKeys, OptionalServiceAccountAnnotationKeys []string
	}
}

// checkConfig looks at the configuration of the plugin, for a service account that chooses a robot or none.
func (c *command) checkConfig(r *report, host, robot string) {
	content, err := os.ReadFile(c.config)
	var config providerConfig
	if err == nil {
		err = yaml.Unmarshal(content, &config)
	}
	if err == nil && config.Kind != "CredentialProviderConfig" {
		err = errors.New("it is no CredentialProviderConfig")
	}
	if err != nil {
		r.missing("dockit-credential-provider --help has an example", "the configuration %s: %v", c.config, err)
		return
	}
	at := slices.IndexFunc(config.Providers, func(p provider) bool { return p.Name == "dockit-credential-provider" })
	if at < 0 {
		r.missing("dockit-credential-provider --help has an example", "the provider dockit-credential-provider in %s", c.config)
		return
	}
	faults := config.Providers[at].faults(host, c.audience, robot)
	for _, fault := range faults {
		r.missing(fault.cure, "%s in %s", fault.what, c.config)
	}
	if len(faults) == 0 {
		r.good("the plugin is configured for %s", host)
	}
}

type fault struct{ what, cure string }

func (p provider) faults(host, audience, robot string) []fault {
	var faults []fault
	add := func(wrong bool, what, cure string) {
		if wrong {
			faults = append(faults, fault{what, cure})
		}
	}
	bare := host
	if name, _, ported := strings.Cut(host, ":"); ported {
		bare = name
	}
	matches := slices.ContainsFunc(p.MatchImages, func(m string) bool {
		m, _, _ = strings.Cut(m, "/")
		return m == host || strings.HasPrefix(m, "*.") && strings.HasSuffix(bare, m[1:])
	})
	args := strings.Join(p.Args, " ") + " "
	add(p.APIVersion != "credentialprovider.kubelet.k8s.io/v1", "the apiVersion", "apiVersion: credentialprovider.kubelet.k8s.io/v1")
	add(!matches, "the registry in matchImages", "matchImages: ["+host+"]")
	add(!strings.Contains(args, "--registry="+host+" ") && !strings.Contains(args, "--registry "+host+" "), "the registry in args", "args: [--registry="+host+"]")
	add(p.TokenAttributes.ServiceAccountTokenAudience != audience, "the audience "+audience, "tokenAttributes: {serviceAccountTokenAudience: "+audience+"}")
	add(p.TokenAttributes.CacheType != "Token", "cacheType Token, for with another one the kubelet refuses a token as the password while Dockit is away,",
		"tokenAttributes: {cacheType: Token}")
	add(p.TokenAttributes.RequireServiceAccount == nil, "requireServiceAccount", "tokenAttributes: {requireServiceAccount: true}")
	annotations := slices.Concat(p.TokenAttributes.RequiredServiceAccountAnnotationKeys, p.TokenAttributes.OptionalServiceAccountAnnotationKeys)
	add(robot != "" && !slices.Contains(annotations, pullsecrets.RobotAnnotation), "the annotation by which the service account chooses robot:"+robot,
		"tokenAttributes: {optionalServiceAccountAnnotationKeys: ["+pullsecrets.RobotAnnotation+"]}")
	return faults
}

// opens reports whether a registry token says that it opens anything.
func opens(token string) (bool, error) {
	var claims struct {
		Access []struct{ Actions []string } `json:"access"`
	}
	err := readClaims(token, &claims)
	return len(claims.Access) > 0 && slices.Contains(claims.Access[0].Actions, "pull"), err
}
