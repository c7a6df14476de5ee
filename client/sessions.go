package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/subject"
)

// Sessions lists the sessions of a robot that began with tokens of issuers, the
// latest first. Error: [ErrNotFound].
func (c *Client) Sessions(ctx context.Context, robot string) iter.Seq2[adminapi.Session, error] {
	return pages[adminapi.Session](ctx, c, sessionsPath(robot), ListOptions{})
}

// Session returns one session by its id, or [ErrNotFound].
func (c *Client) Session(ctx context.Context, id string) (adminapi.Session, error) {
	var found adminapi.Session
	_, err := c.do(ctx, request{method: http.MethodGet, path: sessionPath(id)}, &found)
	return found, err
}

// RevokeSession ends a session. Error: [ErrNotFound].
func (c *Client) RevokeSession(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: sessionPath(id)}, nil)
	return err
}

// RevokeSessions ends every session of a robot, and returns how many there were.
// Error: [ErrNotFound].
func (c *Client) RevokeSessions(ctx context.Context, robot string) (int64, error) {
	var revoked adminapi.RevokedSessions
	_, err := c.do(ctx, request{method: http.MethodDelete, path: sessionsPath(robot)}, &revoked)
	return revoked.Revoked, err
}

func sessionsPath(robot string) string {
	return pathOf(subject.Ref{Kind: subject.Robot, Name: robot}) + "/sessions"
}

func sessionPath(id string) string { return "/sessions/" + url.PathEscape(id) }
