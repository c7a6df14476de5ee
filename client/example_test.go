package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
	"github.com/dockit-registry/dockit/client"
	"github.com/dockit-registry/dockit/subject"
)

// exampleServer answers each request, by its method and path, with what stands for
// it. It takes the place of a Dockit.
func exampleServer(status int, answers map[string]string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, answers[r.Method+" "+r.URL.Path+r.URL.Query().Get("cursor")])
	}))
}

// A listing goes on to its last page.
func Example() {
	server := exampleServer(http.StatusOK, map[string]string{
		"GET /dockit/api/v1/users":     `{"items": [{"kind": "user", "name": "alice"}], "next_cursor": "next"}`,
		"GET /dockit/api/v1/usersnext": `{"items": [{"kind": "user", "name": "bob"}]}`,
	})
	defer server.Close()

	c, err := client.New(client.Options{BaseURL: server.URL, Username: "admin", Password: "a long password"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for user, err := range c.Subjects(context.Background(), subject.User, client.ListOptions{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(user.Ref())
	}
	// Output:
	// user:alice
	// user:bob
}

func ExampleClient_Grant() {
	server := exampleServer(http.StatusOK, map[string]string{
		"POST /dockit/api/v1/groups/dev/permissions": `{"permission": "repository:team/*:pull,push"}`,
	})
	defer server.Close()

	c, err := client.New(client.Options{BaseURL: server.URL, Username: "admin", Password: "a long password"})
	if err != nil {
		fmt.Println(err)
		return
	}
	dev := subject.Ref{Kind: subject.Group, Name: "dev"}
	held, err := c.Grant(context.Background(), dev, access.Permission{Type: access.Repository, Name: "team/*", Actions: access.Push})
	fmt.Println(held, err)
	// Output: repository:team/*:pull,push <nil>
}

// Every code of the API is an error of its own.
func ExampleError() {
	server := exampleServer(http.StatusConflict, map[string]string{
		"POST /dockit/api/v1/robots": `{"status": 409, "code": "exists", "detail": "robot:ci exists"}`,
	})
	defer server.Close()

	c, err := client.New(client.Options{BaseURL: server.URL, Username: "admin", Password: "a long password"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.CreateRobot(context.Background(), adminapi.NewSubject{Name: "ci"})
	switch {
	case errors.Is(err, client.ErrExists):
		fmt.Println("it is there already")
	case errors.Is(err, client.ErrBusy), errors.Is(err, client.ErrStorage):
		if refused, ok := errors.AsType[*client.Error](err); ok {
			fmt.Println("again in", time.Duration(refused.Problem.RetryAfter)*time.Second)
		}
	case err != nil:
		fmt.Println(err)
	}
	// Output: it is there already
}
