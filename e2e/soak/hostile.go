package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// hostile is what strangers and bad lines do. It comes from addresses of its own, so that nobody else is locked out.
var hostile = []work{
	{unknownNames, 2, 500 * time.Millisecond, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			return guess(ctx, n, anywhere(), "nobody-"+strings.ToLower(rand.Text()), "GET "+tokenPath+"team/app:pull")
		}
	}},
	{"wrong password until locked, clear", 1, 300 * time.Millisecond, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error {
			const user = "user11"
			if round%40 == 39 {
				return must(ctx, n.admin, http.MethodDelete, "/users/"+user+"/lockouts", nil, nil)
			}
			return guess(ctx, n, "127.0.0.2", user, "GET "+tokenPath+"team/app:pull")
		}
	}},
	{"wrong password, admin API", 1, time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			return guess(ctx, n, "127.0.0.3", "user10", "GET "+api+"/users")
		}
	}},
	{"connection: slow, good in the end", 2, time.Second, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			return talk(ctx, n, func(c *net.TCPConn) error {
				request := request(n, "GET "+tokenPath+"public/app:pull", "", "")
				for len(request) > 0 {
					part := min(len(request), 40)
					if _, err := io.WriteString(c, request[:part]); err != nil {
						return err
					}
					request = request[part:]
					if err := pause(ctx, 200*time.Millisecond); err != nil {
						return err
					}
				}
				return status(c, http.StatusOK)
			})
		}
	}},
	{"connection: cut", 2, 200 * time.Millisecond, func(s *site, _ int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, round int) error { return s.cut(ctx, n, round) }
	}},
	{"connection: idle", 1, 100 * time.Millisecond, func(*site, int) func(context.Context, *node, int) error {
		return func(ctx context.Context, n *node, _ int) error {
			return talk(ctx, n, func(*net.TCPConn) error { return pause(ctx, 3*time.Second) })
		}
	}},
}

// anywhere is one of many addresses.
func anywhere() string { return fmt.Sprintf("127.0.%d.%d", 1+mathrand.IntN(20), 1+mathrand.IntN(200)) } //nolint:gosec // no secret

// guess sends a password that was never sent before from an address.
func guess(ctx context.Context, n *node, from, user, what string) error {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.DialContext(ctx, "tcp", n.address())
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request(n, what, user, rand.Text())); err != nil {
		return err
	}
	return status(c, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable)
}

// address is where the server listens. localhost may stand for another.
func (n *node) address() string { return fmt.Sprintf("127.0.0.1:%d", n.Config().Port) }

// request is the text of one, for a connection that is used once.
func request(n *node, what, user, password string) string {
	text := what + " HTTP/1.1\r\nHost: " + n.Host + "\r\nConnection: close\r\n"
	if user != "" {
		text += "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)) + "\r\n"
	}
	return text + "\r\n"
}

// status reads an answer to its end, which must have one of the statuses.
func status(c net.Conn, wanted ...int) error {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if slices.Contains(wanted, resp.StatusCode) {
		return nil
	}
	return fmt.Errorf("answered with %s, not %v: %.300s", resp.Status, wanted, body)
}

// talk opens a connection and closes it without ceremony.
func talk(ctx context.Context, n *node, say func(*net.TCPConn) error) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.address())
	if err != nil {
		return err
	}
	defer conn.Close()
	c := conn.(*net.TCPConn)
	if err := c.SetLinger(0); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	return say(c)
}

// cut leaves in the middle of something: of the headers, of a body, before the answer, in the answer.
func (s *site) cut(ctx context.Context, n *node, round int) error {
	user := s.people.users[round%len(s.people.users)]
	whole := request(n, "GET "+tokenPath+"team/app:pull", user.Username, user.Password)
	change := strings.TrimSuffix(request(n, "POST "+api+"/robots", n.admin.Username, n.admin.Password), "\r\n") +
		"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"name\":"
	document := strings.TrimSuffix(request(n, "PUT "+api+"/state", n.admin.Username, n.admin.Password), "\r\n") +
		"Content-Type: application/yaml\r\nContent-Length: 1000000\r\n\r\nversion: dockit/v1\nrobots:\n"
	export := request(n, "GET "+api+"/state", n.admin.Username, n.admin.Password)
	sent := []string{whole[:len(whole)/2], whole, change, document, export}[round%5]
	return talk(ctx, n, func(c *net.TCPConn) error {
		if _, err := io.WriteString(c, sent); err != nil {
			return err
		}
		return pause(ctx, time.Duration(round%4)*20*time.Millisecond)
	})
}
