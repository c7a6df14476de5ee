package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dockit-registry/dockit/e2e/internal/issuer"
)

// person is somebody who uses a registry: a user, or a robot.
type person struct {
	name, password string
	robot          bool
}

func (p person) path() string {
	if p.robot {
		return "/robots/" + url.PathEscape(p.name)
	}
	return "/users/" + url.PathEscape(p.name)
}

func (p person) ref() string {
	if p.robot {
		return "robot:" + p.name
	}
	return "user:" + p.name
}

// add makes a user with a password, or a robot with an access token.
func (s *site) add(ctx context.Context, p *person, permissions ...string) error {
	if p.robot {
		if err := s.send(ctx, http.MethodPost, "/robots", map[string]any{"name": p.name}, nil); err != nil {
			return err
		}
		token, err := s.accessToken(ctx, *p)
		if err != nil {
			return err
		}
		p.password = token
	} else {
		p.password = rand.Text()
		if err := s.send(ctx, http.MethodPost, "/users", map[string]any{"name": p.name, "password": p.password}, nil); err != nil {
			return err
		}
	}
	return s.grant(ctx, p.path(), permissions...)
}

// grant gives the subject at a path of the API permissions.
func (s *site) grant(ctx context.Context, path string, permissions ...string) error {
	for _, permission := range permissions {
		if err := s.send(ctx, http.MethodPost, path+"/permissions", map[string]any{"permission": permission}, nil); err != nil {
			return err
		}
	}
	return nil
}

// accessToken makes one.
func (s *site) accessToken(ctx context.Context, p person) (string, error) {
	var issued struct {
		Token string `json:"token"`
	}
	err := s.send(ctx, http.MethodPost, p.path()+"/access-tokens", map[string]any{"name": "interop"}, &issued)
	if err == nil && issued.Token == "" {
		err = fmt.Errorf("make an access token of %s: there is none in the answer", p.ref())
	}
	return issued.Token, err
}

// jobToken binds jobs of a project of its own to a robot, and returns the token of one.
func (s *site) jobToken(ctx context.Context, p person) (string, error) {
	project := rand.Text()
	if err := s.send(ctx, http.MethodPost, "/bindings", map[string]any{
		"name": p.name, "issuer": "gitlab", "robot": p.ref(), "claims": []string{"project_id=" + project, "ref_protected=true"},
	}, nil); err != nil {
		return "", err
	}
	return s.issuer.Sign(issuer.Token{Audience: s.service(), Claims: map[string]any{"project_id": project}})
}

// service is the one of the registry that is pulled from.
func (s *site) service() string {
	if s.kind.cache {
		return cacheService
	}
	return service
}
