package credentialprovider

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/printable"
	"github.com/dockit-registry/dockit/internal/tokenexchange"
	"github.com/dockit-registry/dockit/subject"
)

// Patience is how long Dockit may take to answer.
const Patience = 2 * time.Second

// anyRobot is the user name of who takes the one robot that the token stands for.
const anyRobot = "_"

// Mode is what a token becomes.
type Mode string

const (
	// Exchange has Dockit give a login for the token, which only opens registries. When
	// Dockit does not answer, it is Echo.
	Exchange Mode = "exchange"
	// Echo makes the token itself the password, which Dockit takes as well: no server is
	// asked, and the registry gets to see the token.
	Echo Mode = "echo"
)

// Provider answers the kubelet.
type Provider struct {
	// Registries are the hosts, with port, that tokens may be for. No other gets any.
	Registries []string
	// Server is where Dockit is. Default: https at the host of the registry.
	Server *url.URL
	// Service is what the registry is called at Dockit. Default: the registry is asked.
	Service string
	// Mode is what a token becomes. Default: [Exchange].
	Mode Mode
	// Folder is where logins are kept for other pods of the same service account, empty
	// for nowhere.
	Folder string
	// HTTP must not follow redirects.
	HTTP *http.Client
	// Now is the time. Default: by the clock of this machine.
	Now func() time.Time
	// Warn is told what the kubelet will not see. Default: it is dropped.
	Warn func(error)
	// Patience is how long Dockit may take to answer. Default: [Patience].
	Patience time.Duration
}

// Provide answers a request. Errors say what to do, and hold no secret.
func (p Provider) Provide(ctx context.Context, r Request) (Response, error) {
	if !slices.Contains(p.Registries, r.Host) {
		return Response{}, fmt.Errorf("%s is none of the registries that tokens may go to (%s): take it out of matchImages, or add --registry %[1]s to the args",
			r.Host, printable.Line(strings.Join(p.Registries, ", ")))
	}
	if r.Token == "" {
		return Response{}, errors.New("the kubelet passes no token of a service account: give the provider's entry in its configuration tokenAttributes " +
			"with serviceAccountTokenAudience and requireServiceAccount: true (Kubernetes 1.34 or newer; static pods have no token)")
	}
	a, err := accountOf(r.Token)
	if err != nil {
		return Response{}, err
	}
	if p.Server == nil && slices.ContainsFunc(p.Registries, func(host string) bool { return host != r.Host && a.isFor(host) }) {
		return Response{}, fmt.Errorf("the token of %s is for %s, and %s would get it: give each registry a provider's entry of its own, or say --server URL "+
			"if one Dockit is behind both", a, printable.Line(a.audience), r.Host)
	}
	robot, err := robotOf(r)
	if err != nil {
		return Response{}, fmt.Errorf("%s: %w", a, err)
	}
	if p.Mode == Echo {
		return p.echo(r, robot, cacheDuration(p.now(), a.echoUntil(p.now()))), nil
	}
	response, err := p.exchanged(ctx, r, a, robot)
	if err != nil {
		return Response{}, fmt.Errorf("%s at %s: %w", a, r.Host, err)
	}
	return response, nil
}

// robotOf is the robot that the service account chose, or empty.
func robotOf(r Request) (string, error) {
	chosen := r.Annotations[RobotAnnotation]
	name := strings.TrimPrefix(chosen, string(subject.Robot)+":")
	if chosen == "" {
		return "", nil
	}
	if err := subject.ValidateName(name); err != nil {
		return "", fmt.Errorf("the annotation %s is %q: write the name of a robot, such as ci", RobotAnnotation, printable.Clip(printable.Line(chosen)))
	}
	return name, nil
}

func (p Provider) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func (p Provider) warn(err error) {
	if p.Warn != nil {
		p.Warn(err)
	}
}

// echo is the token itself as password. It ends with its pod, and so the kubelet is to
// keep it for no other: cacheType Token.
func (p Provider) echo(r Request, robot, duration string) Response {
	return Response{Host: r.Host, Username: cmp.Or(robot, anyRobot), Password: r.Token, CacheDuration: duration}
}

// echoUntil is when four fifths of what is left of a token are over.
func (a account) echoUntil(now time.Time) time.Time {
	return now.Add(max(0, a.expires.Sub(now)) / 5 * 4)
}

// exchanged is a login that Dockit gave, now or a moment ago for another pod.
func (p Provider) exchanged(ctx context.Context, r Request, a account, robot string) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.Patience, Patience))
	defer cancel()
	var held credential
	k, err := p.open(ctx, r, a, robot)
	if err == nil && k != nil {
		defer k.close()
		held = k.read()
	}
	if held.fresh(p.now()) {
		return respond(r.Host, held, cacheDuration(p.now(), held.renewAt())), nil
	}
	if err == nil || ctx.Err() == nil { // without a place to keep it, each pod asks
		var made credential
		if made, err = p.exchange(ctx, r, robot); err == nil {
			if k != nil {
				p.keep(k, made)
			}
			return respond(r.Host, made, cacheDuration(p.now(), made.renewAt())), nil
		}
	}
	if !away(err) {
		return Response{}, explain(err)
	}
	// The kubelet keeps neither of these: the next pull finds Dockit, maybe.
	if held.usable(p.now()) {
		p.warn(fmt.Errorf("no answer of Dockit, and the login of a while ago is used: %w", err))
		return respond(r.Host, held, cacheDuration(p.now(), p.now())), nil
	}
	p.warn(fmt.Errorf("no answer of Dockit, and the registry gets the token itself as password: %w", err))
	return p.echo(r, robot, cacheDuration(p.now(), p.now())), nil
}

func respond(host string, c credential, duration string) Response {
	return Response{Host: host, Username: c.Username, Password: c.Password, CacheDuration: duration}
}

// open opens what is kept for the service account; nil where nothing is to be kept.
func (p Provider) open(ctx context.Context, r Request, a account, robot string) (*kept, error) {
	if p.Folder == "" || a.uid == "" {
		return nil, nil //nolint:nilnil // nil keeps nothing
	}
	k, err := openKept(ctx, p.Folder, keptName(p.server(r.Host).String(), p.Service, r.Host, robot, a.issuer, a.audience, a.subject, a.uid))
	if err != nil && ctx.Err() == nil {
		p.warn(fmt.Errorf("logins are not kept, and each pod asks Dockit for one: %w", err))
		return nil, nil //nolint:nilnil // it works without
	}
	return k, err
}

func (p Provider) keep(k *kept, c credential) {
	if err := k.write(c, p.now()); err != nil {
		p.warn(fmt.Errorf("the login was not kept, and the next pod asks Dockit for one: %w", err))
	}
}

// server is where Dockit is for a registry.
func (p Provider) server(host string) *url.URL {
	if p.Server != nil {
		return p.Server
	}
	return &url.URL{Scheme: "https", Host: host}
}

func (p Provider) exchange(ctx context.Context, r Request, robot string) (credential, error) {
	service := p.Service
	if service == "" {
		var err error
		if service, err = p.serviceOf(ctx, r.Host); err != nil {
			return credential{}, err
		}
	}
	began := p.now()
	client := tokenexchange.Client{HTTP: p.HTTP, Realm: p.server(r.Host).JoinPath("v2", "token")}
	got, err := client.Exchange(ctx, tokenexchange.Request{Token: r.Token, Service: service, Robot: robot})
	if err != nil {
		return credential{}, err
	}
	if robot != "" && robot != got.Username {
		return credential{}, fmt.Errorf("%s answers for robot:%s, and robot:%s was asked for: is that Dockit?", client.Realm.Redacted(), got.Username, robot)
	}
	c := credential{Username: got.Username, Password: got.Password, IssuedAt: began}
	if got.ExpiresIn > 0 {
		c.ExpiresAt = began.Add(got.ExpiresIn)
	}
	return c, nil
}

// away reports whether nothing is known to be wrong but that Dockit, or the registry,
// does not answer.
func away(err error) bool {
	if refusal, ok := errors.AsType[*tokenexchange.Refusal](err); ok {
		_, again := refusal.RetryAfter()
		return again || refusal.Status >= http.StatusInternalServerError
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false // who answers may be anybody
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errAway)
}

// explain says what to do about an error.
func explain(err error) error {
	var refusal *tokenexchange.Refusal
	switch _, unverified := errors.AsType[*tls.CertificateVerificationError](err); {
	case unverified:
		return fmt.Errorf("%w: give --ca-file the authority of that certificate", err)
	case errors.Is(err, tokenexchange.ErrNoExchange):
		return fmt.Errorf("%w (--server says where that is)", err)
	case errors.As(err, &refusal) && refusal.Code == "invalid_target" && strings.Contains(refusal.Message, "service"):
		return fmt.Errorf("%w: give --service the name that the registry has as REGISTRY_AUTH_TOKEN_SERVICE", err)
	default:
		return err
	}
}
