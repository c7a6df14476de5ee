package adminapi_test

import (
	"encoding/json"
	"fmt"

	"github.com/dockit-registry/dockit/access"
	"github.com/dockit-registry/dockit/adminapi"
)

// A page of a listing, as GET /dockit/api/v1/users?limit=2 answers it.
func Example() {
	const body = `{
		"items": [
			{"kind": "user", "name": "alice", "admin": true, "has_password": true, "version": 3},
			{"kind": "user", "name": "anonymous", "built_in": true, "version": 1}
		],
		"next_cursor": "YW5vbnltb3Vz"
	}`
	var page adminapi.List[adminapi.Subject]
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range page.Items {
		fmt.Println(s.Ref(), s.Admin, s.BuiltIn)
	}
	fmt.Println("more:", page.NextCursor != "")
	// Output:
	// user:alice true false
	// user:anonymous false true
	// more: true
}

// A permission travels as its text.
func ExamplePermission() {
	body, err := json.Marshal(adminapi.Permission{
		Permission: access.Permission{Type: access.Repository, Name: "team/*", Actions: access.Pull | access.Push},
	})
	fmt.Println(string(body), err)
	// Output: {"permission":"repository:team/*:pull,push"} <nil>
}

// Every refusal has a code for programs, and says what to do.
func ExampleProblem() {
	const body = `{
		"title": "Conflict", "status": 409, "code": "exists",
		"detail": "group:dev exists: users, robots and groups share one name space: choose another name"
	}`
	var p adminapi.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Code == adminapi.CodeExists)
	fmt.Println(&p)
	// Output:
	// true
	// group:dev exists: users, robots and groups share one name space: choose another name
}
