package ciplatform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dockit-registry/dockit/internal/idtoken"
	"github.com/dockit-registry/dockit/internal/printable"
)

// Source is where a token comes from.
type Source struct {
	name string
	// fetch gets a token that is meant for the audience, if the source can be asked
	// for one.
	fetch func(ctx context.Context, audience string) (string, error)
	// cure says how to get a token for another audience.
	cure string
}

// String is what people know the source by.
func (s *Source) String() string { return s.name }

// ErrAudience is returned for a token that is meant for another service.
var ErrAudience = errors.New("the token is meant for somebody else, who would take it from whoever has it: it was not sent")

// Token gets a token that is meant for one of some audiences: a source that can be
// asked is asked for the first. Nothing is known about its signature. No error
// holds any of it. Errors: [ErrAudience]; those of package idtoken.
func (s *Source) Token(ctx context.Context, audiences ...string) (string, error) {
	raw, err := s.fetch(ctx, audiences[0])
	if err != nil {
		return "", fmt.Errorf("%s: %w", s, err)
	}
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return "", fmt.Errorf("%s: it is empty, and holds no token", s)
	}
	token, err := idtoken.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s, err)
	}
	meant := audienceOf(token)
	if !slices.ContainsFunc(audiences, func(wanted string) bool { return slices.Contains(meant, wanted) }) {
		return "", fmt.Errorf("%s: %w. It names %s as its audience, and %s is wanted: %s; "+
			"or, where the issuer at Dockit was added with --audience, log in with that --audience", s, ErrAudience, said(meant), audiences[0], s.cure)
	}
	return raw, nil
}

// audienceOf is whom a token is meant for: a text, or several.
func audienceOf(token *idtoken.Token) []string {
	if one := token.Text("aud"); one != "" {
		return []string{one}
	}
	several, _ := token.Claims["aud"].([]any)
	var meant []string
	for _, one := range several {
		if text, ok := one.(string); ok {
			meant = append(meant, text)
		}
	}
	return meant
}

func said(audience []string) string {
	if len(audience) == 0 {
		return "nobody"
	}
	return printable.Line(printable.Clip(strings.Join(audience, ", ")))
}
