// Package tokenexchange asks a server of Dockit for a credential in exchange for
// the token of an issuer (RFC 8693), and ends one (RFC 7009).
package tokenexchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dockit-registry/dockit/internal/version"
	"github.com/dockit-registry/dockit/subject"
)

const (
	grantType = "urn:ietf:params:oauth:grant-type:token-exchange"
	typeJWT   = "urn:ietf:params:oauth:token-type:jwt"
	typeToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // the name of a type

	// maxAnswer is the largest answer that is read, in bytes.
	maxAnswer = 1 << 20
	// maxPassword is the longest password that is taken from a server, in bytes.
	maxPassword = 4096
	// maxSeconds is the longest life that is believed.
	maxSeconds = 10 * 366 * 24 * 60 * 60
)

// ErrNoExchange is returned for an address where nothing exchanges tokens.
var ErrNoExchange = errors.New("nothing there exchanges tokens: is that the token endpoint of a Dockit that has trusted issuers?")

// Client speaks to the token endpoint of a server, which a registry names as its
// realm.
type Client struct {
	// HTTP must not follow redirects: a server that redirects is not Dockit, and must not
	// get the token.
	HTTP  *http.Client
	Realm *url.URL
}

// Request is what is exchanged for what.
type Request struct {
	// Token is a JWT of an issuer that the server trusts.
	Token string
	// Service is the registry's, by the name that its challenge has.
	Service string
	// Robot is the name of the robot to become. Default: the one that the token
	// stands for.
	Robot string
}

// Credential is what a robot logs in with at every client.
type Credential struct {
	// Username is the robot's name.
	Username string
	Password string
	// ExpiresIn is how long it lasts at most; zero: the server did not say.
	ExpiresIn time.Duration
}

// Exchange gets a credential. Errors: [*Refusal]; [ErrNoExchange].
func (c Client) Exchange(ctx context.Context, r Request) (Credential, error) {
	form := url.Values{"grant_type": {grantType}, "subject_token": {r.Token}, "subject_token_type": {typeJWT}, "audience": {r.Service}}
	if r.Robot != "" {
		form.Set("resource", r.Robot)
	}
	content, err := c.post(ctx, c.Realm, form, r.Token)
	if err != nil {
		return Credential{}, err
	}
	var answer struct {
		AccessToken     string `json:"access_token"`
		IssuedTokenType string `json:"issued_token_type"`
		TokenType       string `json:"token_type"`
		Username        string `json:"username"`
		ExpiresIn       int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return Credential{}, fmt.Errorf("%s: %w", c.Realm.Redacted(), ErrNoExchange) // the error may repeat the password
	}
	switch {
	case answer.IssuedTokenType != typeToken || !strings.EqualFold(answer.TokenType, "N_A"):
		return Credential{}, fmt.Errorf("%s: %w", c.Realm.Redacted(), ErrNoExchange)
	case !isPassword(answer.AccessToken):
		return Credential{}, fmt.Errorf("%s: it answers with something that is no password", c.Realm.Redacted())
	}
	if err := subject.ValidateName(answer.Username); err != nil {
		return Credential{}, fmt.Errorf("%s: it does not say for whom the credential is: %w", c.Realm.Redacted(), err)
	}
	credential := Credential{Username: answer.Username, Password: answer.AccessToken}
	if answer.ExpiresIn > 0 && answer.ExpiresIn <= maxSeconds {
		credential.ExpiresIn = time.Duration(answer.ExpiresIn) * time.Second
	}
	return credential, nil
}

// isPassword reports whether a text can stand on a line and in HTTP Basic.
func isPassword(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxPassword
}

// Hint says what kind of token is to end.
type Hint string

// The kinds that RFC 7009 names.
const (
	AccessToken  Hint = "access_token"
	RefreshToken Hint = "refresh_token"
)

// Revoke ends a token, or finds that it ended before. Errors: [*Refusal];
// [ErrNoExchange].
func (c Client) Revoke(ctx context.Context, token string, hint Hint) error {
	to := c.Realm.JoinPath("revoke")
	to.RawQuery = ""
	_, err := c.post(ctx, to, url.Values{"token": {token}, "token_type_hint": {string(hint)}}, token)
	return err
}

// post sends a form and returns the body of a good answer. No error holds the
// secret, not even when the server repeats it.
func (c Client) post(ctx context.Context, to *url.URL, form url.Values, secret string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "dockit/"+version.Read().Version)
	response, err := c.HTTP.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: read the answer: %w", to.Redacted(), err)
	case len(content) > maxAnswer:
		return nil, fmt.Errorf("%s: it answers with more than %d bytes", to.Redacted(), maxAnswer)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %w", to.Redacted(), refusalOf(response, content, secret))
	}
	return content, nil
}

// isJSON reports whether an answer says that it is JSON.
func isJSON(header http.Header) bool {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
