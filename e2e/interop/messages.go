package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/dockit-registry/dockit/e2e/internal/call"
	"github.com/dockit-registry/dockit/e2e/internal/dockit"
	"github.com/dockit-registry/dockit/e2e/internal/registry"
)

// situation is one in which a person is refused, and should learn why from the client.
type situation struct {
	id, title string
	// tells is what the text has to have that tells a person what happened.
	tells *regexp.Regexp
	// meet brings the client there, and returns the refusal.
	meet func(ctx context.Context, t *trial) error
}

// situations are all of them.
var situations = []situation{
	{"wrong-password", "a wrong password", regexp.MustCompile(`(?i)invalid username or password|invalid username/password`), meetWrongPassword},
	{"disabled", "a user who was disabled", regexp.MustCompile(`(?i)disabled`), meetDisabled},
	{"locked", "a name that is locked out", regexp.MustCompile(`(?i)too many wrong passwords`), meetLocked},
	{"expired", "a session that has ended", regexp.MustCompile(`(?i)log in again`), meetExpired},
	{"refused-push", "a push without the right", regexp.MustCompile(`(?i)denied|unauthorized|insufficient|authentication required|authorization failed`), meetRefusedPush},
	{"unknown-service", "a registry whose service Dockit does not know", regexp.MustCompile(`(?i)unknown service`), meetUnknownService},
}

// messages are what each client says in each situation.
type messages map[string]map[string]string

// listen brings every client into every situation of which nothing is kept, at a registry of its own.
func listen(ctx context.Context, clients []*client, p programs, folder string, kept messages) (_ messages, err error) {
	kind := &siteKind{id: "messages", title: "what clients say", start: quicklyLocked}
	s, err := startSite(ctx, kind, p, filepath.Join(folder, kind.id))
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return nil, err
	}
	said := messages{}
	for _, o := range situations {
		texts := make([]string, len(clients))
		var all sync.WaitGroup
		for i, c := range clients {
			if texts[i] = kept[o.id][c.id]; c.absent == "" && texts[i] == "" { // all at once: to lock a name out takes its time
				all.Go(func() { texts[i] = listenTo(ctx, s, c, o) })
			}
		}
		all.Wait()
		said[o.id] = map[string]string{}
		maps.Copy(said[o.id], kept[o.id]) // also of those who are not asked now
		for i, c := range clients {
			said[o.id][c.id] = texts[i]
		}
	}
	return said, nil
}

// complete reports whether something is kept of every client that is run.
func (m messages) complete(clients []*client) bool {
	for _, o := range situations {
		for _, c := range clients {
			if c.absent == "" && m[o.id][c.id] == "" {
				return false
			}
		}
	}
	return true
}

// quicklyLocked has a name locked out after few wrong passwords, and a second registry of which Dockit knows nothing.
func quicklyLocked(ctx context.Context, s *site) error {
	host, p, err := freeHost(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(s.folder, "Caddyfile")
	content := fmt.Sprintf(`{
	admin off
	persist_config off
	grace_period 10s
	dockit {
		service %s
		database sqlite {env.HOME}/dockit.sqlite
		root_user {env.DOCKIT_ROOT_USER} {env.DOCKIT_ROOT_PASSWORD}
		lockout {
			failures %d
		}
	}
}
http://%s {
	dockit
}
`, service, wrongPasswords, host)
	if err := errors.Join(os.MkdirAll(s.folder, 0o700), os.WriteFile(file, []byte(content), 0o600)); err != nil {
		return err
	}
	if err := s.startDockit(ctx, dockit.Config{Port: p, Caddyfile: file}); err != nil {
		return err
	}
	r, err := s.startRegistry(ctx, registry.V3, mainRegistry, registry.Config{})
	if err != nil {
		return err
	}
	s.host = r.Host
	if r, err = s.startRegistry(ctx, registry.V3, "unknown", registry.Config{Service: "unknown.test"}); err == nil {
		s.unknownHost = r.Host
	}
	return err
}

// wrongPasswords are as many as lock a name out.
const wrongPasswords = 3

// listenTo is what one client says.
func listenTo(ctx context.Context, s *site, c *client, o situation) string {
	ctx, stop := context.WithTimeout(ctx, trialTime)
	defer stop()
	t := &trial{site: s, client: c, id: c.id + "-" + o.id, folder: filepath.Join(s.folder, c.id, o.id)}
	err := o.meet(ctx, t)
	if missing, ok := errors.AsType[*missingError](err); ok {
		return notRunText + missing.reason
	}
	said, ok := errors.AsType[*exitError](err)
	if !ok {
		return faultText + fmt.Sprint(err)
	}
	return s.plain(t, said.said)
}

const (
	// notRunText begins what stands for a text that there is not.
	notRunText = "– "
	// faultText begins what is no text of a client.
	faultText = "✗ "
)

var (
	// logLine is how programs begin a line of their log.
	logLine = regexp.MustCompile(`(?m)^(?:\d{4}[/-]\d\d[/-]\d\d[T ][0-9:.]+Z? |time="[^"]*" level=\w+ msg=)`)
	// digests are other ones each time.
	digests = regexp.MustCompile(`sha256:[0-9a-f]{64}|sha256:[0-9a-f]{8,}\S*`)
	// progress is what programs print while all is well.
	progress = regexp.MustCompile(`(?im)^(?:The push refers|Using default tag|[0-9a-f]{12}: |Getting image|Copying |Writing |Trying to pull|latest: Pulling|Pushing |existing blobs|elapsed:|manifest-sha256|layer-sha256|config-sha256|index-sha256|WARN|time=\S+ level=WARN|level=warning|Login did not succeed|.*\|\x1b?\[).*\n?`)
	// colours are those of a terminal.
	colours = regexp.MustCompile(`\x1b\[[0-9;]*[a-zA-Z]`)
	spaces  = regexp.MustCompile(`\s+`)
)

// withoutProgress is the output of a program without what it prints while all is well.
func withoutProgress(output string) string {
	return strings.TrimSpace(colours.ReplaceAllString(progress.ReplaceAllString(logLine.ReplaceAllString(output, ""), ""), ""))
}

// plain is what a client said without what is another one each time.
func (s *site) plain(t *trial, text string) string {
	text = digests.ReplaceAllString(text, "sha256:…")
	text = strings.NewReplacer(
		t.folder, "…", s.host, "registry.example.com", url.QueryEscape(s.host), "registry.example.com", s.dockit.Host, "auth.example.com", s.unknownHost, "registry.example.com",
		t.id, "team", url.QueryEscape(t.id), "team", service, "registry.example.com",
	).Replace(text)
	text = regexp.MustCompile(`localhost:\d+`).ReplaceAllString(text, "registry.example.com")
	return strings.TrimSpace(spaces.ReplaceAllString(text, " "))
}

// attempt is the refusal of a login, or of the pull after a login that nobody tried.
func (t *trial) attempt(ctx context.Context, s *session, host, repository string, p person) error {
	if err := s.login(ctx, host, p.name, p.password); err != nil {
		return err
	}
	return s.pull(ctx, host+"/"+repository+":"+latest)
}

func meetWrongPassword(ctx context.Context, t *trial) error {
	p, err := t.user(ctx, "alice", "repository:"+t.repository()+":pull")
	if err != nil {
		return err
	}
	p.password = unlikely()
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	return t.attempt(ctx, s, t.site.host, t.repository(), p)
}

func meetDisabled(ctx context.Context, t *trial) error {
	p, err := t.user(ctx, "alice", "repository:"+t.repository()+":push")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, p)
	if err != nil {
		return fmt.Errorf("log in before: %s", err) //nolint:errorlint // what a client says here is no answer
	}
	if err := t.site.send(ctx, http.MethodPatch, p.path(), map[string]any{"disabled": true}, nil); err != nil {
		return err
	}
	return s.pull(ctx, t.ref(t.repository()))
}

func meetLocked(ctx context.Context, t *trial) error {
	p, err := t.user(ctx, "alice", "repository:"+t.repository()+":push")
	if err != nil {
		return err
	}
	for range wrongPasswords { // another one each time: the same counts once
		if _, err := (call.Caller{Base: t.site.dockit.URL, Username: p.name, Password: unlikely()}).Send(ctx, http.MethodGet, "/v2/token?service="+service, nil); err != nil {
			return err
		}
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	return t.attempt(ctx, s, t.site.host, t.repository(), p)
}

func meetExpired(ctx context.Context, t *trial) error {
	p := person{name: t.id + "-ci", robot: true}
	if err := t.site.add(ctx, &p, "repository:"+t.repository()+":pull"); err != nil {
		return err
	}
	s, err := t.stranger(ctx)
	if err != nil {
		return err
	}
	if s.config == "" {
		return t.missing(canRefresh)
	}
	token, err := t.site.refreshToken(ctx, p)
	if err != nil {
		return err
	}
	if err := s.keep(ctx, t.site.host, token); err != nil {
		return err
	}
	if err := t.site.send(ctx, http.MethodDelete, p.path()+"/sessions", nil, nil); err != nil {
		return err
	}
	return s.pull(ctx, t.ref(t.repository()))
}

func meetRefusedPush(ctx context.Context, t *trial) error {
	p, err := t.user(ctx, "reader", "repository:"+t.repository()+":pull")
	if err != nil {
		return err
	}
	s, err := t.enter(ctx, p)
	if err != nil {
		return fmt.Errorf("log in before: %s", err) //nolint:errorlint // what a client says here is no answer
	}
	return s.push(ctx, t.origin(t.repository()), small)
}

func meetUnknownService(ctx context.Context, t *trial) error {
	p, err := t.user(ctx, "alice", "repository:"+t.repository()+":pull")
	if err != nil {
		return err
	}
	strange := *t.site
	strange.host, strange.origin = strange.unknownHost, strange.unknownHost
	there := *t
	there.site = &strange
	s, err := there.stranger(ctx)
	if err != nil {
		return err
	}
	return there.attempt(ctx, s, strange.host, t.repository(), p)
}
