package federation

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/subject"
)

func TestValidateBinding(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Binding)
		err    error
	}{
		"least":                {func(*Binding) {}, nil},
		"whole":                {func(b *Binding) { b.Scopes, b.Session = permissions(t, "repository:a:pull"), time.Hour }, nil},
		"name":                 {func(b *Binding) { b.Name = "A" }, subject.ErrInvalidName},
		"no issuer":            {func(b *Binding) { b.Issuer = "" }, subject.ErrInvalidName},
		"no robot":             {func(b *Binding) { b.Robot.Name = "" }, subject.ErrInvalidName},
		"a user":               {func(b *Binding) { b.Robot.Kind = subject.User }, ErrInvalidBinding},
		"no conditions":        {func(b *Binding) { b.Claims = nil }, ErrInvalidBinding},
		"condition twice":      {func(b *Binding) { b.Claims = conditions(t, "a=b", "c=d", "a=b") }, ErrInvalidBinding},
		"invalid condition":    {func(b *Binding) { b.Claims = []Condition{{"a", ""}} }, ErrInvalidCondition},
		"too many conditions":  {func(b *Binding) { b.Claims = many(t, MaxConditions+1) }, ErrInvalidBinding},
		"many conditions":      {func(b *Binding) { b.Claims = many(t, MaxConditions) }, nil},
		"invalid scope":        {func(b *Binding) { b.Scopes = []access.Permission{{}} }, access.ErrInvalidPermission},
		"too many scopes":      {func(b *Binding) { b.Scopes = make([]access.Permission, MaxScopes+1); fill(b.Scopes) }, ErrInvalidBinding},
		"session, too short":   {func(b *Binding) { b.Session = time.Second }, ErrInvalidBinding},
		"session, too long":    {func(b *Binding) { b.Session = 25 * time.Hour }, ErrInvalidBinding},
		"session, longest":     {func(b *Binding) { b.Session = 24 * time.Hour }, nil},
		"session, with a part": {func(b *Binding) { b.Session = time.Hour + time.Millisecond }, ErrInvalidBinding},
	} {
		t.Run(name, func(t *testing.T) {
			b := Binding{Name: "b", Issuer: "idp", Robot: subject.Ref{Kind: subject.Robot, Name: "ci"}, Claims: conditions(t, "sub=x")}
			c.change(&b)
			require.ErrorIs(t, b.Validate(), c.err)
		})
	}
}

func many(t *testing.T, n int) []Condition {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("a=%d", i)
	}
	return conditions(t, texts...)
}

func fill(scopes []access.Permission) {
	for i := range scopes {
		scopes[i] = access.Catalog
	}
}

func TestDefaults(t *testing.T) {
	assert.Equal(t, 6*time.Hour, Binding{}.LongestSession())
	assert.Equal(t, time.Hour, Binding{Session: time.Hour}.LongestSession())
	assert.Equal(t, 24*time.Hour, Issuer{}.LongestAge())
	assert.Equal(t, time.Hour, Issuer{MaxAge: time.Hour}.LongestAge())
}
